import { isLoopbackAddress } from "../lib/ipv4.ts";

/** The mode with one address for each host name. Any other mode names an interface or address. */
export const VIRTUAL = "virtual";

/** Their names on Linux and macOS. */
const LOOPBACK_INTERFACES: ReadonlySet<string> = new Set(["lo", "lo0"]);

/** Returns true if other machines may reach a listener of this mode. */
export function isSharedListenMode(mode: string): boolean {
  return mode !== VIRTUAL && !LOOPBACK_INTERFACES.has(mode) && !isLoopbackAddress(mode);
}
