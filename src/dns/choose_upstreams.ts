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
  "Restart ngrokd by its launcher, which adds permissions for the DNS servers of this machine: ngrokd run";

/**
 * Chooses the upstream DNS servers: the configured ones and no others, else those of this machine.
 * Our own server is left out, and so is systemd-resolved, which would send the query back: its own
 * upstream servers replace it. An IPv6 server needs a permission of its own.
 */
export function chooseUpstreams(sources: UpstreamSources): Upstreams {
  const { configured, own, holds } = sources;
  const from = configured.length > 0 ? "dns.upstream" : RESOLV_CONF;
  const found: Found = configured.length > 0 ? { servers: configured } : readServers(sources);
  const named = new Set(found.servers);
  const others = [...named].filter((server) => !own.includes(server));
  const servers = others.filter((server) => serverCapabilities(server).every(holds));
  const denied = others.filter((server) => !servers.includes(server));
  const lacks = `the permission set does not include ${denied.join(" ")}`;
  if (servers.length > 0) {
    return denied.length === 0 ? { servers, from } : { servers, from, leftOut: lacks, hint: RESTART };
  }
  if (denied.length > 0) return { servers, from, problem: lacks, hint: RESTART };
  const problem = named.size === 0 ? found.problem ?? `${from} names no DNS server` : undefined;
  return {
    servers,
    from,
    problem: problem ?? `${from} names this server only`,
    hint: found.hint ?? SET_UPSTREAM,
  };
}

/** Reads the servers of this machine, each `address:port`, and the reason if there are none. */
function readServers({ resolvConf, uplink }: UpstreamSources): Found {
  if (resolvConf === undefined) return { servers: [], problem: `${RESOLV_CONF} cannot be read` };
  const named = readNameservers(resolvConf);
  const resolved = named.some(isStub);
  const all = named.flatMap((address) => isStub(address) ? readNameservers(uplink ?? "") : [address])
    .map((address) => parseIpv4(address) === undefined ? normalizeIpv6(address) : address)
    .filter((address) => address !== undefined)
    .filter((address) => !isStub(address));
  // A link-local address needs its zone.
  const [usable, lost] = [all.filter((address) => !lacksZone(address)), all.filter(lacksZone)];
  if (usable.length > 0) return { servers: usable.map((address) => listenerKey(address, PORT)) };
  const [first] = lost;
  if (first !== undefined) {
    return {
      servers: [],
      problem: `a link-local DNS server needs its interface: ${lost.join(" ")}`,
      hint: `Write the address with its interface, ${first}%eth0 for example, or set dns.upstream: ` +
        "ngrokctl config edit",
    };
  }
  if (resolved) {
    const state = uplink === undefined ? "cannot be read" : "names no DNS server";
    return { servers: [], problem: `${RESOLV_CONF} names systemd-resolved only, and ${UPLINK} ${state}` };
  }
  if (named.length === 0) return { servers: [] };
  return { servers: [], problem: `${RESOLV_CONF} names no valid address of a DNS server` };
}

function lacksZone(address: string): boolean {
  return isLinkLocal(address) && !address.includes("%");
}

interface Found {
  readonly servers: readonly string[];
  readonly problem?: string;
  readonly hint?: string;
}

/** The upstream DNS servers in order of preference, `address:port` each. */
export interface Upstreams {
  readonly servers: readonly string[];
  readonly from: "dns.upstream" | typeof RESOLV_CONF;
  /** The reason why there are none. */
  readonly problem?: string;
  /** The reason why some are left out. */
  readonly leftOut?: string;
  readonly hint?: string;
}

/** The known DNS servers. */
export interface UpstreamSources {
  /** `dns.upstream`, each `address:port`. */
  readonly configured: readonly string[];
  /** The content of /etc/resolv.conf; undefined if it cannot be read or does not exist. */
  readonly resolvConf: string | undefined;
  /** The content of {@linkcode UPLINK}; undefined if it cannot be read or does not exist. */
  readonly uplink: string | undefined;
  /** The addresses of our own DNS server, each `address:port`. */
  readonly own: readonly string[];
  /** Returns true if the permission set includes a capability. */
  readonly holds: (capability: Capability) => boolean;
}
