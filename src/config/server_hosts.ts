import { normalizeHostname } from "../lib/hostname.ts";
import type { Config } from "./config.ts";
import { type ProxyEnvironment, proxyHosts } from "./proxy/proxy_for.ts";

/**
 * Returns every host that the daemon connects to by its configuration and environment: API,
 * ingress, and proxies. No endpoint may have one of these names.
 */
export function serverHosts(
  { api, ingressEndpoint, proxy }: Pick<Config, "api" | "ingressEndpoint" | "proxy">,
  environment: ProxyEnvironment,
): string[] {
  return [
    normalizeHostname(new URL(api.url).hostname),
    ...(ingressEndpoint === undefined ? [] : [ingressEndpoint.hostname]),
    ...proxyHosts({ configured: proxy, environment }),
  ];
}
