import { parseIpv4 } from "../lib/ipv4.ts";
import * as addresses from "./address_types.ts";
import { key, netNeed } from "./key.ts";
import { hostPatterns, listenInterface, overrides } from "./listen_interface.ts";
import * as types from "./scalar_types.ts";

/** The keys of the section `net:`, for the table in `keys.ts`. */
export const NET_KEYS = {
  interfaceName: key({
    name: "net.interface_name",
    type: addresses.interfaceName,
    default: "ngrokd0",
    area: "restart",
    doc: "Name of the virtual network interface on Linux",
  }),
  subnet: key({
    name: "net.subnet",
    type: addresses.subnet,
    default: { base: 0x0a6b0000, prefix: 16 },
    area: "endpoints",
    doc: "Subnet of the virtual addresses",
  }),
  listenInterface: key({
    name: "net.listen_interface",
    type: listenInterface,
    default: "virtual",
    area: "endpoints",
    doc: "Where endpoints listen; `virtual` is an address for each host, on this machine only",
    needs: listenNeeds,
  }),
  startPort: key({
    name: "net.start_port",
    type: types.port,
    default: 9080,
    area: "endpoints",
    doc: "First port for endpoints that get another port than their own in network mode",
  }),
  publishMovedPorts: key({
    name: "net.publish_moved_ports",
    type: types.boolean,
    default: false,
    area: "endpoints",
    doc: "`true` lets a name resolve although another program holds a port of its endpoints",
  }),
  redirectHeldPorts: key({
    name: "net.redirect_held_ports",
    type: types.redirectMode,
    default: "auto",
    area: "endpoints",
    doc: "`auto` leads a port that another program holds to the endpoint, by nftables on Linux",
  }),
  overrides: key({
    name: "net.overrides",
    type: overrides,
    default: Object.freeze(Object.create(null)),
    area: "endpoints",
    doc: "Listen interface of some hosts; `*.suffix` is the wildcard endpoint of that name",
    needs: (interfaces) =>
      Object.entries(interfaces).flatMap(([entry, listenInterface]) =>
        listenNeeds(listenInterface).map((need) => ({ ...need, entry }))
      ),
  }),
  allowNames: key({
    name: "net.allow_names",
    type: hostPatterns,
    default: [],
    area: "endpoints",
    doc: "Names that endpoints may have although ngrokd would refuse them; `*.suffix` is every name below it",
  }),
  denyNames: key({
    name: "net.deny_names",
    type: hostPatterns,
    default: [],
    area: "endpoints",
    doc: "Names that no endpoint may have; `*.suffix` is every name below it",
  }),
  shadowPublic: key<"refuse" | "warn" | undefined>({
    name: "net.shadow_public",
    type: types.shadowPolicy,
    default: undefined,
    area: "endpoints",
    doc:
      "Endpoints whose names exist in the public DNS; if absent, wildcards are refused, and other names are served with a warning",
  }),
  allowPorts: key({
    name: "net.allow_ports",
    type: types.ports,
    default: [],
    area: "endpoints",
    doc: "Ports below 1024 that endpoints may have in network mode, besides 53, 80 and 443",
  }),
  allowCidrs: key({
    name: "net.allow_cidrs",
    type: addresses.networks,
    // Private ranges (RFC 1918), loopback (RFC 1122) and link-local (RFC 3927).
    default: [
      { base: 0x0a000000, prefix: 8 },
      { base: 0xac100000, prefix: 12 },
      { base: 0xc0a80000, prefix: 16 },
      { base: 0x7f000000, prefix: 8 },
      { base: 0xa9fe0000, prefix: 16 },
    ],
    area: "endpoints",
    doc:
      "Clients of endpoints in network mode, the DNS server and the health server; this machine always may",
  }),
  allowHosts: key({
    name: "net.allow_hosts",
    type: addresses.requestHosts,
    default: [],
    area: "connections",
    doc:
      "Hosts, besides the endpoint's own, that requests may name; and origins of pages that may change something",
  }),
  halfCloseTimeoutMs: key({
    name: "net.half_close_timeout",
    type: types.seconds,
    default: 60_000,
    area: "connections",
    doc:
      "Longest pause of a connection after one side has ended; ngrokd probes a waiting client by TCP keep-alive",
  }),
  idleTimeoutMs: key({
    name: "net.idle_timeout",
    type: types.seconds,
    default: 0,
    area: "connections",
    doc: "Time after which a connection without traffic is closed; 0 for never",
  }),
  advertiseIp: key({
    name: "net.advertise_ip",
    type: addresses.hostIp,
    default: "",
    area: "endpoints",
    doc: "Address in DNS replies in network mode; if empty, the address that the query came to",
  }),
  advertiseIps: key({
    name: "net.advertise_ips",
    type: addresses.ownIps,
    default: [],
    area: "endpoints",
    doc:
      "Addresses of this machine over which the names of https and tls endpoints in network mode are spread",
    needs: (addresses) => addresses.map((address) => netNeed(address)),
  }),
};

/**
 * Returns the permissions that a listen address needs. An interface that is given by name needs
 * none: its addresses are known when they are bound.
 */
function listenNeeds(listenInterface: string) {
  return parseIpv4(listenInterface) === undefined ? [] : [netNeed(listenInterface)];
}
