import { ANY_ADDRESS, clientAddress, type Route } from "./route_table.ts";

/** The address of this machine that no change of network takes away. */
export const LOCALHOST = "127.0.0.1";

/**
 * Returns the address by which this machine reaches the listener of a route: that of its name, or
 * `machineIp` if the name has any of this machine.
 */
export function machineAddress(route: Route, machineIp = LOCALHOST): string {
  const address = clientAddress(route);
  return address === ANY_ADDRESS ? machineIp : address;
}
