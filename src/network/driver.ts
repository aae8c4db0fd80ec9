import type { Cidr } from "../lib/ipv4.ts";

/** Whether a driver can work on this machine. */
export type Support = { readonly supported: true } | { readonly supported: false; readonly reason: string };

/** The subnet that is really used, and why it is not the one that was asked for. */
export interface PreparedSubnet {
  readonly subnet: Cidr;
  readonly reason?: string;
}

/** Where the addresses of endpoints live on this machine. No verb rejects for a reason that lies outside this program. */
export interface AddressDriver {
  /** What it is, for `status`. */
  readonly kind: string;
  /** Asked first; changes nothing. */
  supported(): Support;
  /** Chooses the subnet and makes what all its addresses have in common (an interface, a route). May be called again. */
  prepare(subnet: Cidr): Promise<PreparedSubnet>;
  /** Why addresses of the prepared subnet cannot be bound now; undefined if they can. `prepare` is the remedy. */
  observe(): Promise<string | undefined>;
  /** Makes exactly these addresses bindable: address → why one is not; all others are. */
  ensure(addresses: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Undoes all that was made. */
  release(): Promise<void>;
}
