import { ANY_ADDRESS, type Route } from "./route_table.ts";

const LOCALHOST = "127.0.0.1";

/**
 * Returns the address by which this machine reaches the listener of a route. A listener on every
 * address is reached at one that no change of network takes away.
 */
export function machineAddress({ address }: Pick<Route, "address">): string {
  return address === ANY_ADDRESS ? LOCALHOST : address;
}
