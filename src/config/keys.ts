import * as addresses from "./address_types.ts";
import type { Proxy } from "../model/proxy.ts";
import type { IngressTarget } from "../model/ingress_target.ts";
import { serverCapabilities } from "./dns_server_need.ts";
import { key, netNeed, replaceNeeds } from "./key.ts";
import { parseListenAddress } from "./listen_address.ts";
import { hostPatterns } from "./listen_interface.ts";
import { NET_KEYS } from "./net_keys.ts";
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
    drainMs: key({
      name: "server.drain_seconds",
      type: types.secondsOrNone,
      default: 10_000,
      area: "end",
      doc: "Time that running connections have at the end; idle plain HTTP/1 ones end at once",
    }),
    probeIntervalMs: key({
      name: "server.probe_interval",
      type: types.secondsOrOff,
      default: 300_000,
      area: "probes",
      doc: "Time without a connection to the ingress after which ngrokd probes it; 0 switches probes off",
    }),
    probeEndpoints: key({
      name: "server.probe_endpoints",
      type: types.boolean,
      default: true,
      area: "probes",
      doc: "Lets a probe connect to an endpoint, too; if `false`, it ends after the TLS handshake",
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
  net: NET_KEYS,
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
      doc: "`false` forbids changes to /etc/resolv.conf",
    }),
    upstream: key({
      name: "dns.upstream",
      type: addresses.dnsServers,
      default: [],
      area: "dns",
      doc: "Upstream DNS servers; if empty, those of this machine",
      needs: (servers) =>
        servers.flatMap((server) =>
          serverCapabilities(server).map((capability) => ({ value: server, capability }))
        ),
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
