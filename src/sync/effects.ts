import type { Endpoint } from "../model/endpoint.ts";
import type { Redirect } from "../model/redirect.ts";
import type { RouteTable } from "../model/route_table.ts";
import type { SpreadNames } from "./spread_names.ts";

/** Everything that a round changes outside itself. */
export interface RoundEffects {
  readonly addresses: AddressEffects;
  readonly listeners: ListenerEffects;
  readonly redirects: RedirectEffects;
  readonly names: NameEffects;
  readonly state: StateEffects;
}

/** Makes addresses exist; a network driver does. */
export interface AddressEffects {
  /** Makes the addresses bindable. Returns the reason for each one that is not. */
  ensure(addresses: readonly string[], revision: number): Promise<ReadonlyMap<string, string>>;
}

/** Opens listeners; the forwarder does. */
export interface ListenerEffects {
  /** Returns the key of every open listener. */
  observe(): readonly string[];
  /** Opens a listener. @throws {BindError} */
  open(where: { readonly address: string; readonly port: number }): void;
  /**
   * Stops accepting connections. Those that run go on. Fulfils when the port is free, and never
   * rejects.
   */
  close(key: string): Promise<void>;
  /** Sets the routes of new connections. */
  setRoutes(table: RouteTable): void;
  /** Drops everything that is kept about endpoints that are gone. */
  forget(endpointIds: Iterable<string>): void;
}

/** Leads connections for held ports to the ports that ngrokd has; the kernel does. */
export interface RedirectEffects {
  /** Returns the redirects that the last call of `ensure` has made or left. */
  observe(): readonly Redirect[];
  /**
   * Makes exactly these redirects, and restores them if another program removed them. Returns the
   * reason for each that does not work, or that could not be removed, by the key `address:port` of
   * the held port. Rejects if nobody knows which ports lead elsewhere.
   */
  ensure(redirects: readonly Redirect[]): Promise<ReadonlyMap<string, string>>;
}

/** Makes names resolve; a publisher does. */
export interface NameEffects {
  /** The problem of the last publication, because of which earlier names may still resolve. */
  readonly problem: string | undefined;
  /** Makes exactly these names (→ address) resolve. Returns the reason for each that does not. */
  publish(
    names: ReadonlyMap<string, string>,
    revision: number,
  ): Promise<ReadonlyMap<string, string>>;
}

/** Saves the state; the state directory does. */
export interface StateEffects {
  save(state: SavedState): Promise<void>;
}

/** The state that survives a restart. */
export interface SavedState {
  /** Host name → address. */
  readonly leases: ReadonlyMap<string, string>;
  /** Service → remapped port. */
  readonly ports: ReadonlyMap<string, number>;
  /** The names over `net.advertise_ips`; undefined if there have never been any. */
  readonly spread?: SpreadNames | undefined;
  /** The last list of a poll; undefined before the first. */
  readonly endpoints: readonly Endpoint[] | undefined;
}
