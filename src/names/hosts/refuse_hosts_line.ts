import { isHostname } from "../../lib/hostname.ts";
import { parseIpv4 } from "../../lib/ipv4.ts";

/**
 * Returns the reason why a name with this address cannot be in a hosts file; undefined if it can.
 */
export function refuseHostsLine(name: string, address: string): string | undefined {
  if (name.includes("*")) return "a hosts file cannot hold a wildcard";
  if (!isHostname(name)) return "it is not a host name";
  if (parseIpv4(address) === undefined) return `${JSON.stringify(address)} is not an IPv4 address`;
  return undefined;
}
