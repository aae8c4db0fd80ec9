import { parseIpv4 } from "../lib/ipv4.ts";
import * as addresses from "./address_types.ts";
import type { Proxy } from "../model/proxy.ts";
import type { IngressTarget } from "../model/ingress_target.ts";
import { key, netNeed, replaceNeeds } from "./key.ts";
import { parseListenAddress } from "./listen_address.ts";
import { hostPatterns, listenInterface, overrides } from "./listen_interface.ts";
import { defaultSocketPath } from "./paths.ts";
import { proxyNeed, proxyUrl } from "./proxy/proxy_url.ts";
import * as types from "./scalar_types.ts";

/**
 * Every key of the configuration file. The objects have the shape of {@linkcode Config}: a key's
 * path here is the path of its value there.
 */
export const KEYS = {
  api: {
    url: key({
      name: "api.url",
      type: addresses.apiUrl,
      default: "https://api.ngrok.com",
      area: "api",
      doc: "Base URL of the ngrok API; `http` only for this machine",
      needs: (text) => {
        const { protocol, hostname, port, host } = new URL(text);
        return [netNeed(port === "" ? `${hostname}:${protocol === "http:" ? 80 : 443}` : host, text)];
      },
    }),
    key: key({
      name: "api.key",
      type: types.apiKey,
      default: "",
      area: "api",
      doc: "API key; if empty, from `NGROK_API_KEY` or the file that `NGROK_API_KEY_FILE` names",
    }),
  },
  ingressEndpoint: key<IngressTarget | undefined>({
    name: "ingressEndpoint",
    type: addresses.ingressTarget,
    default: undefined,
    area: "ingress",
    doc: "Ingress, port 443 by default; if absent, the one that the API names",
    needs: (target) => target === undefined ? [] : [netNeed(`${target.hostname}:${target.port}`)],
  }),
  proxy: key<Proxy | undefined>({
    name: "proxy_url",
    type: proxyUrl,
    default: undefined,
    area: "api",
    doc: "Proxy for the API and the ingress",
    needs: (proxy) => proxy === undefined ? [] : [proxyNeed(proxy)],
  }),
  server: {
    logLevel: key({
      name: "server.log_level",
      type: types.logLevel,
      default: "info",
      area: "log",
      doc: "Lowest level that is logged",
    }),
    logFormat: key({
      name: "server.log_format",
      type: types.logFormat,
      default: "text",
      area: "log",
      doc: "Format of a log line",
    }),
    socketPath: key({
      name: "server.socket_path",
      type: types.socketPath,
      default: defaultSocketPath("linux"),
      defaultOn: defaultSocketPath,
      area: "restart",
      doc: "Control socket that ngrokctl connects to",
      needs: (path) => [...replaceNeeds(path), netNeed(`unix:${path}`, path)],
    }),
    clientCert: key({
      name: "server.client_cert",
      type: types.filePath,
      default: "/etc/ngrokd/tls.crt",
      area: "restart",
      doc: "Client certificate; its directory is the state directory",
      needs: replaceNeeds,
    }),
    clientKey: key({
      name: "server.client_key",
      type: types.filePath,
      default: "/etc/ngrokd/tls.key",
      area: "restart",
      doc: "Private key of the client certificate, in another file",
      needs: replaceNeeds,
    }),
    certRefreshIntervalMs: key({
      name: "server.cert_refresh_interval",
      type: types.seconds,
      default: 3_600_000,
      area: "identity",
      doc: "Longest time between two attempts to renew the certificate",
    }),
    healthAddress: key({
      name: "server.health_address",
      type: addresses.listenIp,
      default: "127.0.0.1",
      area: "health",
      doc: "Address of the health server",
      needs: (address, { healthPort }) => [netNeed(`${address}:${healthPort}`, address)],
    }),
    healthPort: key({
      name: "server.health_port",
      type: types.port,
      default: 8081,
      area: "health",
      doc: "Port of the health server",
    }),
    healthHosts: key({
      name: "server.health_hosts",
      type: hostPatterns,
      default: [],
      area: "health",
      doc: "Names that a request to the health server may be for, besides addresses and `localhost`",
    }),
    ingressCa: key({
      name: "server.ingress_ca",
      type: types.filePath,
      default: "",
      area: "ingress",
      doc: "PEM file of CAs that are trusted for the ingress in addition to the others",
      needs: (path) => path === "" ? [] : [{ value: path, capability: { kind: "read", path } }],
    }),
  },
  boundEndpoints: {
    pollIntervalMs: key({
      name: "bound_endpoints.poll_interval",
      type: types.pollSeconds,
      default: 30_000,
      area: "poll",
      doc: "Time between two polls; below 5 the API may refuse some",
    }),
    selectors: key({
      name: "bound_endpoints.selectors",
      type: types.selectors,
      default: ["true"],
      area: "operator",
      doc: "Endpoints that are bound to this daemon",
    }),
  },
  net: {
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
      doc:
        "Names that endpoints may have although ngrokd would refuse them; `*.suffix` is every name below it",
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
  },
  dns: {
    enabled: key({
      name: "dns.enabled",
      type: types.boolean,
      default: false,
      area: "dns",
      doc: "`true` always runs the DNS server, `false` only when names need it",
    }),
    listen: key({
      name: "dns.listen",
      type: addresses.listenAddress,
      default: "",
      area: "dns",
      doc: "Address of the DNS server, port 53 by default; if empty, ngrokd chooses",
      needs: (text) => {
        const { address } = parseListenAddress(text);
        return address === undefined ? [] : [netNeed(address, text)];
      },
    }),
    manageResolvConf: key<boolean | undefined>({
      name: "dns.manage_resolv_conf",
      type: types.boolean,
      default: undefined,
      area: "dns",
      doc: "Allows changes to /etc/resolv.conf; if absent, in network mode only",
    }),
    upstream: key({
      name: "dns.upstream",
      type: addresses.dnsServers,
      default: [],
      area: "dns",
      doc: "Upstream DNS servers; if empty, those of this machine, else 8.8.8.8 and 1.1.1.1",
      needs: (servers) => servers.map((server) => netNeed(server)),
    }),
    allowPrivate: key({
      name: "dns.allow_private",
      type: hostPatterns,
      default: [],
      area: "dns",
      doc: "Names that upstream DNS servers may resolve to addresses of this machine, its link and ngrokd",
    }),
  },
};

/**
 * Returns the permissions that a listen address needs. An interface that is given by name needs
 * none: its addresses are known when they are bound.
 */
function listenNeeds(listenInterface: string) {
  return parseIpv4(listenInterface) === undefined ? [] : [netNeed(listenInterface)];
}
