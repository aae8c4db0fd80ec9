import { formatCidr } from "../lib/ipv4.ts";
import type { Config } from "./config.ts";

/** A part of the daemon that takes new values while it runs. `operator`: what the cloud knows of us. `dns` acts in later versions only. */
export type Area =
  | "log"
  | "api"
  | "operator"
  | "poll"
  | "endpoints"
  | "ingress"
  | "identity"
  | "health"
  | "dns";

/** What differs between two configurations. */
export interface ConfigDiff {
  /** The keys, in the file's spelling. */
  readonly paths: readonly string[];
  /** What must take up new values. */
  readonly areas: ReadonlySet<Area>;
  /** Those of the keys that count from the next start only. */
  readonly needsRestart: readonly string[];
}

type Read = (config: Config) => unknown;

/** Every key: where its value is, and what it touches. A restart: whatever the daemon holds open, or journalled, under the old value. */
const KEYS: readonly (readonly [path: string, area: Area | "restart", read: Read])[] = [
  ["api.url", "api", (config) => config.api.url],
  ["api.key", "api", (config) => config.api.key],
  ["ingressEndpoint", "ingress", (config) => config.ingressEndpoint],
  ["proxy_url", "api", (config) => config.proxy],
  ["server.log_level", "log", (config) => config.server.logLevel],
  ["server.log_format", "log", (config) => config.server.logFormat],
  ["server.socket_path", "restart", (config) => config.server.socketPath],
  ["server.client_cert", "restart", (config) => config.server.clientCert],
  ["server.client_key", "restart", (config) => config.server.clientKey],
  ["server.cert_refresh_interval", "identity", (config) => config.server.certRefreshIntervalMs],
  ["server.health_address", "health", (config) => config.server.healthAddress],
  ["server.health_port", "health", (config) => config.server.healthPort],
  ["server.ingress_ca", "ingress", (config) => config.server.ingressCa],
  ["bound_endpoints.poll_interval", "poll", (config) => config.boundEndpoints.pollIntervalMs],
  ["bound_endpoints.selectors", "operator", (config) => config.boundEndpoints.selectors],
  ["net.interface_name", "restart", (config) => config.net.interfaceName],
  ["net.subnet", "endpoints", (config) => formatCidr(config.net.subnet)],
  ["net.listen_interface", "endpoints", (config) => config.net.listenInterface],
  ["net.start_port", "endpoints", (config) => config.net.startPort],
  ["net.overrides", "endpoints", (config) => Object.entries(config.net.overrides).sort()],
  ["net.allow_cidrs", "endpoints", (config) => config.net.allowCidrs.map(formatCidr)],
  ["net.advertise_ip", "endpoints", (config) => config.net.advertiseIp],
  ["dns.enabled", "dns", (config) => config.dns.enabled],
  ["dns.listen", "dns", (config) => config.dns.listen],
  ["dns.manage_resolv_conf", "dns", (config) => config.dns.manageResolvConf],
  ["dns.upstream", "dns", (config) => config.dns.upstream],
];

/** Compares two configurations; nothing differs if `paths` is empty. */
export function diffConfig(before: Config, after: Config): ConfigDiff {
  const changed = KEYS.filter(([, , read]) => JSON.stringify(read(before)) !== JSON.stringify(read(after)));
  const areas = new Set<Area>();
  for (const [, area] of changed) if (area !== "restart") areas.add(area);
  return {
    paths: changed.map(([path]) => path),
    areas,
    needsRestart: changed.filter(([, area]) => area === "restart").map(([path]) => path),
  };
}
