import type { Cidr } from "../lib/ipv4.ts";

/** Whether a driver can work on this machine. */
export type Support = { readonly supported: true } | { readonly supported: false; readonly reason: string };

/** What became of a subnet that was asked for. */
export interface PreparedSubnet {
  /** The subnet that is really used. */
  readonly subnet: Cidr;
  /** Why it is not the one that was asked for. */
  readonly reason?: string;
  /** It was chosen by what stands on this machine now: to keep the addresses, give it back as `remembered` the next time. */
  readonly remember?: true;
  /** Why addresses of `subnet` cannot be bound all the same. */
  readonly failure?: string;
}

/** Where the addresses of endpoints live on this machine. No verb rejects for a reason that lies outside this program. */
export interface AddressDriver {
  /** What it is, for `status`. */
  readonly kind: string;
  /** What kind of interface holds the addresses (`dummy`, `bridge`, `lo`), if the driver makes one. */
  readonly linkKind?: string | undefined;
  /** Asked first; changes nothing. */
  supported(): Support;
  /**
   * Chooses the subnet and makes what all its addresses have in common (an interface, a route). May be called again. `remembered` is what
   * an earlier call chose in place of the same subnet.
   */
  prepare(subnet: Cidr, remembered?: Cidr): Promise<PreparedSubnet>;
  /** Why addresses of the prepared subnet cannot be bound now; undefined if they can. `prepare` is the remedy. */
  observe(): Promise<string | undefined>;
  /** Makes exactly these addresses bindable: address → why one is not; all others are. */
  ensure(addresses: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Undoes all that was made, by an earlier run too; why something of it is left, or undefined. */
  release(): Promise<string | undefined>;
}
