import type { Cidr } from "../lib/ipv4.ts";
import type { Overlap } from "./overlaps.ts";

/**
 * The code that provides the addresses of endpoints on one platform. No method rejects for a reason
 * outside this program.
 */
export interface AddressDriver {
  /** The kind of driver, for `status`. */
  readonly kind: string;
  /** The kind of the interface with the addresses (`dummy`, `veth`, `lo`), if there is one. */
  readonly linkKind?: string | undefined;
  /** Checks that the driver works on this machine. Called first; changes nothing. */
  supported(): Support;
  /**
   * Chooses the subnet and prepares what all its addresses share (an interface, a route). May be
   * called again. `remembered` is the subnet that an earlier call chose instead of the same one.
   */
  prepare(subnet: Cidr, remembered?: Cidr): Promise<PreparedSubnet>;
  /** Finds the reason why addresses cannot be bound now; `restore` or `prepare` is the remedy. */
  findProblem(): Promise<string | undefined>;
  /**
   * Restores what is missing of the prepared subnet, whatever routes there are now. Returns false
   * if nothing was prepared, or it could not be restored.
   */
  restore?(): Promise<boolean>;
  /** Finds the routes of others that overlap with the prepared subnet now. */
  findOverlaps?(): Promise<FoundOverlaps>;
  /** Chooses the subnet that `prepare` would use if nothing was remembered. */
  choose?(subnet: Cidr): Promise<ChosenSubnet>;
  /**
   * Makes exactly these addresses bindable. Returns those that are not: address → reason. Addresses
   * with the revision of the last call are not checked again.
   */
  ensure(addresses: readonly string[], revision?: number): Promise<ReadonlyMap<string, string>>;
  /** Undoes all changes of this and earlier runs. Returns the reason why something is left. */
  release(): Promise<string | undefined>;
}

/** The ability of a driver to work on this machine, or the reason why it cannot. */
export type Support = { readonly supported: true } | { readonly supported: false; readonly reason: string };

/** The routes of others that overlap with the subnet, or the reason why nobody knows them. */
export interface FoundOverlaps {
  readonly overlaps?: readonly Overlap[];
  readonly failure?: string;
}

/** The subnet that is free, unless there is none, or the reason why nobody knows one. */
export interface ChosenSubnet {
  readonly subnet?: Cidr | undefined;
  readonly failure?: string;
}

/** The result of preparing a subnet. */
export interface PreparedSubnet {
  /** The subnet in use. */
  readonly subnet: Cidr;
  /** The reason why it is not the requested one. */
  readonly reason?: string;
  /** Set if the choice depends on the present routes; pass it as `remembered` next time. */
  readonly remember?: true;
  /** The reason why addresses of `subnet` cannot be bound although it was chosen. */
  readonly failure?: string;
}
