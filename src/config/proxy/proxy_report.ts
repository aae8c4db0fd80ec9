import { getLogger } from "@logtape/logtape";
import { type Proxy, showProxy } from "../../model/proxy.ts";
import type { ProxyReport, ProxyUse } from "../../model/report.ts";
import type { LiveConfig } from "../live_config.ts";

const log = getLogger(["ngrokd", "config"]);

type Proxies = Pick<LiveConfig, "current" | "apiProxy">;

/** Returns the proxies for the API and the ingress, without credentials. */
export function proxyReport({ current, apiProxy }: Proxies): ProxyReport {
  return { api: toUse(apiProxy.proxy), ingress: toUse(current.proxy), notes: [...apiProxy.notes] };
}

/** Logs which proxies are used, and which settings are not; nothing if no proxy is set. */
export function logProxies(proxies: Proxies): void {
  const { api, ingress, notes } = proxyReport(proxies);
  if (api !== null) log.info("Using proxy {url} for the API ({source})", { ...api });
  if (ingress !== null) log.info("Using proxy {url} for the ingress ({source})", { ...ingress });
  for (const note of notes) log.info("Ignoring a proxy setting", { reason: note });
}

function toUse(proxy: Proxy | undefined): ProxyUse | null {
  if (proxy === undefined) return null;
  return { url: showProxy(proxy), source: proxy.setting === "proxy_url" ? "config" : proxy.setting };
}
