import { parseIpv4 } from "../lib/ipv4.ts";
import { isStub, readNameservers } from "../names/resolver/resolv_conf_text.ts";

/** Asked where nothing else is known (COMPAT.md 4.2, `dns.upstream`). */
export const FALLBACK_UPSTREAMS: readonly string[] = ["8.8.8.8:53", "1.1.1.1:53"];

/** What is known of the DNS servers of this machine. */
export interface UpstreamSources {
  /** `dns.upstream`, each `address:port`. */
  readonly configured: readonly string[];
  /** What stands in /etc/resolv.conf; empty if it cannot be read. */
  readonly resolvConf: string;
  /** What stands in systemd-resolved's own list, which {@linkcode UPLINK} is; empty if it cannot be read. */
  readonly uplink: string;
  /** Where our own DNS server listens, each `address:port`. */
  readonly own: readonly string[];
}

/** Where systemd-resolved writes the servers that it asks itself, ours among them (systemd-resolved.service(8)). */
export const UPLINK = "/run/systemd/resolve/resolv.conf";

/** Whom to ask about names that are not ours. */
export interface Upstreams {
  /** Each `address:port`, the first first. */
  readonly servers: readonly string[];
  readonly from: "dns.upstream" | "resolv.conf" | "fallback";
}

/**
 * The servers that our DNS server asks about names which are not ours: the configured ones and no others, else this machine's own, else
 * well-known ones. Never itself, nor systemd-resolved, which would ask us again: its own servers stand in for it. IPv6 is left out, because the
 * shipped permission set holds no IPv6 address.
 */
export function chooseUpstreams(sources: UpstreamSources): Upstreams {
  const { configured, resolvConf, uplink, own } = sources;
  const others = (servers: readonly string[]) =>
    [...new Set(servers)].filter((server) => !own.includes(server));
  if (configured.length > 0) return { servers: others(configured), from: "dns.upstream" };
  const found = readNameservers(resolvConf)
    .flatMap((address) => isStub(address) ? readNameservers(uplink) : [address])
    .filter((address) => parseIpv4(address) !== undefined && !isStub(address));
  const servers = others(found.map((address) => `${address}:53`));
  return servers.length > 0
    ? { servers, from: "resolv.conf" }
    : { servers: FALLBACK_UPSTREAMS, from: "fallback" };
}
