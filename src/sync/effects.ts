import type { Endpoint } from "../model/endpoint.ts";
import type { RouteTable } from "../model/route_table.ts";

/** What is asked of whatever opens listeners; the forwarder is one. */
export interface ListenerEffects {
  /** `address:port` of every open listener. */
  observe(): readonly string[];
  /** Opens one. @throws {BindError} */
  open(where: { readonly address: string; readonly port: number }): void;
  /** Stops accepting there; running connections go on. */
  close(key: string): void;
  /** What new connections are routed by, from now on. */
  setRoutes(table: RouteTable): void;
  /** Drops what is remembered of endpoints that are gone. */
  forget(endpointIds: Iterable<string>): void;
}

/** What is asked of whatever makes addresses exist; a network driver is one. */
export interface AddressEffects {
  /** Makes the addresses bindable; gives the reason for each that is not. */
  ensure(addresses: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/** What is asked of whatever makes names resolve; a publisher is one. */
export interface NameEffects {
  /** Makes exactly these names (name → address) resolve; gives the reason for each that does not. */
  publish(names: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>>;
}

/** What is asked of whatever remembers; the state directory is one. */
export interface StateEffects {
  save(state: SavedState): Promise<void>;
}

/** What survives a restart. */
export interface SavedState {
  /** Host name → address. */
  readonly leases: ReadonlyMap<string, string>;
  /** Service (`host:port`) → local port, where it is not the URL's. */
  readonly ports: ReadonlyMap<string, number>;
  /** The last list that a poll gave; undefined before the first. */
  readonly endpoints: readonly Endpoint[] | undefined;
}

/** Everything that one round does to the world. */
export interface RoundEffects {
  readonly addresses: AddressEffects;
  readonly listeners: ListenerEffects;
  readonly names: NameEffects;
  readonly state: StateEffects;
}
