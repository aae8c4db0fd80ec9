import { dirname } from "node:path";
import { parseIpv4 } from "../lib/ipv4.ts";
import type { ConfigProblem } from "../model/errors.ts";
import { type Proxy, showProxy } from "../model/proxy.ts";
import type { Capability } from "../system/permissions.ts";
import type { Config } from "./config.ts";
import { parseListenAddress } from "./listen_address.ts";

/** A capability that the process needs because of one value of the configuration. */
export interface NeededCapability {
  /** The key. */
  readonly path: string;
  readonly value: string;
  readonly capability: Capability;
}

/** What the permission set of this process is asked. */
export interface PermissionQueries {
  readonly holds: (capability: Capability) => boolean;
  /** The flag that would grant it. */
  readonly flagFor: (capability: Capability) => string;
}

/**
 * What each value needs (DESIGN.md decision 2). Not listed: interfaces that are given by name, whose addresses are known when they are
 * bound, and with them where DNS listens by default.
 */
export function configPermissions(config: Config): NeededCapability[] {
  const { api, ingressEndpoint: ingress, proxy, server, net, dns } = config;
  const url = new URL(api.url);
  const health = `${server.healthAddress}:${server.healthPort}`;
  const needed = [
    ...directory("server.client_cert", server.clientCert),
    ...directory("server.client_key", server.clientKey),
    ...directory("server.socket_path", server.socketPath),
    netHost("server.socket_path", server.socketPath, `unix:${server.socketPath}`),
    netHost(
      "api.url",
      api.url,
      url.port === "" ? `${url.hostname}:${url.protocol === "http:" ? 80 : 443}` : url.host,
    ),
    netHost("server.health_address", server.healthAddress, health),
  ];
  if (server.ingressCa !== "") {
    needed.push({
      path: "server.ingress_ca",
      value: server.ingressCa,
      capability: { kind: "read", path: server.ingressCa },
    });
  }
  if (ingress !== undefined) {
    const host = `${ingress.hostname}:${ingress.port}`;
    needed.push(netHost("ingressEndpoint", host, host));
  }
  if (proxy !== undefined) {
    needed.push({ path: "proxy_url", value: showProxy(proxy), capability: proxyCapability(proxy) });
  }
  const targets = Object.entries(net.overrides).map(([host, target]) =>
    [`net.overrides.${host}`, target] as const
  );
  for (const [path, target] of [["net.listen_interface", net.listenInterface] as const, ...targets]) {
    if (parseIpv4(target) !== undefined) needed.push(netHost(path, target, target));
  }
  const { address } = parseListenAddress(dns.listen);
  if (address !== undefined) needed.push(netHost("dns.listen", dns.listen, address));
  return [...needed, ...dns.upstream.map((server) => netHost("dns.upstream", server, server))];
}

/** What reaching a proxy needs. */
export function proxyCapability({ hostname, port }: Proxy): Capability {
  return { kind: "net", host: `${hostname}:${port}` };
}

/** A problem for each value that points outside the permission set, with the flags that would allow it. */
export function checkPermissions(config: Config, queries: PermissionQueries): ConfigProblem[] {
  const flags = new Map<string, { value: string; flags: Set<string> }>();
  for (const { path, value, capability } of configPermissions(config)) {
    if (queries.holds(capability)) continue;
    const entry = flags.get(path) ?? { value, flags: new Set() };
    flags.set(path, entry);
    entry.flags.add(queries.flagFor(capability));
  }
  return [...flags].map(([path, entry]) => ({
    path,
    message: `the permission set does not allow "${entry.value}"`,
    suggestion: `It takes ${
      [...entry.flags].join(" ")
    }: start ngrokd by "deno task launch", which adds that to the set`,
  }));
}

/** Files are replaced by way of a temporary one beside them, so it is the directory that counts. */
function directory(path: string, file: string): NeededCapability[] {
  const where = dirname(file);
  return (["read", "write"] as const).map((kind) => ({
    path,
    value: file,
    capability: { kind, path: where },
  }));
}

function netHost(path: string, value: string, host: string): NeededCapability {
  return { path, value, capability: { kind: "net", host } };
}
