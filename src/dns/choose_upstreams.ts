import { parseIpv4 } from "../lib/ipv4.ts";
import { isStub, readNameservers } from "../names/resolver/resolv_conf_text.ts";

/** Used if nothing else is known (docs/compatibility.md 4.2, `dns.upstream`). */
const FALLBACK_UPSTREAMS: readonly string[] = ["8.8.8.8:53", "1.1.1.1:53"];

/** The upstream servers of systemd-resolved (systemd-resolved.service(8)). */
export const UPLINK = "/run/systemd/resolve/resolv.conf";

/**
 * Chooses the upstream DNS servers: the configured ones and no others, else those of this machine,
 * else well-known ones. Our own server is left out, and so is systemd-resolved, which would send
 * the query back: its own upstream servers replace it. IPv6 is left out, because the shipped
 * permission set contains no IPv6 address.
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

/** The upstream DNS servers in order of preference, `address:port` each. */
export interface Upstreams {
  readonly servers: readonly string[];
  readonly from: "dns.upstream" | "resolv.conf" | "fallback";
}

/** The known DNS servers. */
export interface UpstreamSources {
  /** `dns.upstream`, each `address:port`. */
  readonly configured: readonly string[];
  /** The content of /etc/resolv.conf; empty if it is unreadable. */
  readonly resolvConf: string;
  /** The content of {@linkcode UPLINK}; empty if it is unreadable. */
  readonly uplink: string;
  /** The addresses of our own DNS server, each `address:port`. */
  readonly own: readonly string[];
}
