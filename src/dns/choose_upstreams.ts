import { serverCapabilities } from "../config/dns_server_need.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { isLinkLocal, normalizeIpv6 } from "../lib/ipv6.ts";
import { listenerKey } from "../model/route_table.ts";
import { isStub, readNameservers } from "../names/resolver/resolv_conf_text.ts";
import { RESOLV_CONF } from "../names/select.ts";
import type { Capability } from "../system/permissions.ts";

const PORT = 53;

/** The upstream servers of systemd-resolved (systemd-resolved.service(8)). */
export const UPLINK = "/run/systemd/resolve/resolv.conf";

const SET_UPSTREAM = "Set dns.upstream: ngrokctl config edit";
const RESTART =
  "Restart ngrokd with deno task ngrokd, which adds permissions for the DNS servers of this machine";

/**
 * Chooses the upstream DNS servers: the configured ones and no others, else those of this machine.
 * Our own server is left out, and so is systemd-resolved, which would send the query back: its own
 * upstream servers replace it. An IPv6 server needs a permission of its own.
 */
export function chooseUpstreams(sources: UpstreamSources): Upstreams {
  const { configured, resolvConf, uplink, own, holds } = sources;
  const from = configured.length > 0 ? "dns.upstream" : RESOLV_CONF;
  const named = new Set(configured.length > 0 ? configured : readServers(resolvConf, uplink));
  const others = [...named].filter((server) => !own.includes(server));
  const servers = others.filter((server) => serverCapabilities(server).every(holds));
  if (servers.length > 0) return { servers, from };
  if (named.size === 0) return { servers, from, problem: `${from} names no DNS server`, hint: SET_UPSTREAM };
  if (others.length === 0) {
    return { servers, from, problem: `${from} names this server only`, hint: SET_UPSTREAM };
  }
  return { servers, from, problem: `the permission set does not include ${others.join(" ")}`, hint: RESTART };
}

/** Reads the servers of this machine, each `address:port`. A link-local address needs its zone. */
function readServers(resolvConf: string, uplink: string): string[] {
  return readNameservers(resolvConf)
    .flatMap((address) => isStub(address) ? readNameservers(uplink) : [address])
    .map((address) => parseIpv4(address) === undefined ? normalizeIpv6(address) : address)
    .filter((address) => address !== undefined)
    .filter((address) => !isStub(address) && (!isLinkLocal(address) || address.includes("%")))
    .map((address) => listenerKey(address, PORT));
}

/** The upstream DNS servers in order of preference, `address:port` each. */
export interface Upstreams {
  readonly servers: readonly string[];
  readonly from: "dns.upstream" | typeof RESOLV_CONF;
  /** The reason why there are none. */
  readonly problem?: string;
  readonly hint?: string;
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
  /** Returns true if the permission set includes a capability. */
  readonly holds: (capability: Capability) => boolean;
}
