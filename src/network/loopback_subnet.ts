import { type Cidr, isLoopbackSubnet, LOOPBACK } from "../lib/ipv4.ts";

/**
 * Returns the loopback subnet that replaces another one: 127.x.0.0/16 with x its second octet, or
 * its first if the second is 0, because other programs use 127.0/16. A loopback subnet stays as it
 * is.
 */
export function toLoopbackSubnet(subnet: Cidr): Cidr {
  if (isLoopbackSubnet(subnet)) return subnet;
  const octet = (subnet.base >>> 16) & 255 || subnet.base >>> 24;
  return { base: LOOPBACK.base + octet * 2 ** 16, prefix: 16 };
}
