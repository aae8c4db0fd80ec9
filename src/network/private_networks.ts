import { type Cidr, cidrIncludes, parseCidr } from "../lib/ipv4.ts";
import type { InterfaceAddress } from "../system/interfaces.ts";

/** The addresses of private networks (RFC 1918) and of carriers (RFC 6598). */
const PRIVATE: readonly Cidr[] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
  .map((text) => parseCidr(text)!);

/** Returns the private networks that this machine is in, those of its containers included. */
export function privateNetworks(addresses: readonly InterfaceAddress[]): Cidr[] {
  return addresses.flatMap(({ cidr }) => {
    const network = cidr === undefined ? undefined : parseCidr(cidr);
    if (network === undefined) return [];
    return PRIVATE.some((each) => cidrIncludes(each, network)) ? [network] : [];
  });
}
