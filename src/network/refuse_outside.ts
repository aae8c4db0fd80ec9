import { type Cidr, cidrContains, formatCidr, parseIpv4 } from "../lib/ipv4.ts";

/** Returns the addresses that are not in the subnet, each with that reason. */
export function refuseOutside(addresses: readonly string[], subnet: Cidr): Map<string, string> {
  const refused = new Map<string, string>();
  for (const address of addresses) {
    const value = parseIpv4(address);
    if (value === undefined || !cidrContains(subnet, value)) {
      refused.set(address, `${address} is not in ${formatCidr(subnet)}`);
    }
  }
  return refused;
}
