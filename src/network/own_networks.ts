import { type Cidr, cidrContains, LOOPBACK, parseIpv4 } from "../lib/ipv4.ts";
import { ipv6Network, isLinkLocal } from "../lib/ipv6.ts";
import type { OwnInterface } from "../model/own_interface.ts";
import type { InterfaceAddress } from "../system/interfaces.ts";

/** 169.254.0.0/16 (RFC 3927). */
const LINK_LOCAL: Cidr = { base: 169 * 2 ** 24 + 254 * 2 ** 16, prefix: 16 };

/**
 * Returns the addresses that identify the network of this machine, sorted. For IPv6 only the first
 * 64 bits are used, because the rest changes daily or with each connection in the same network (RFC
 * 8981). Loopback and link-local addresses are left out: they lead to no network, and containers
 * come and go with the latter.
 */
export function ownNetworks(addresses: readonly InterfaceAddress[], own: OwnInterface): string[] {
  const found = addresses.filter((entry) => entry.interface !== own.name)
    .map(({ address }) => ipv4Of(address, own) ?? ipv6Of(address));
  return [...new Set(found.filter((text) => text !== undefined))].sort();
}

function ipv4Of(address: string, own: OwnInterface): string | undefined {
  const value = parseIpv4(address);
  if (value === undefined) return undefined;
  const isExcluded = [LOOPBACK, LINK_LOCAL, own.subnet].some((network) => cidrContains(network, value));
  return isExcluded ? undefined : address;
}

function ipv6Of(address: string): string | undefined {
  const network = ipv6Network(address);
  // ::/64 contains the loopback address; fe80::/10 is link-local.
  if (network === undefined || network === "0:0:0:0" || isLinkLocal(network)) return undefined;
  return network;
}
