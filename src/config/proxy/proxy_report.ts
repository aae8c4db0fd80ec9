import { getLogger } from "@logtape/logtape";
import { type Proxy, showProxy } from "../../model/proxy.ts";
import type { ProxyReport, ProxyUse } from "../../model/report.ts";
import type { LiveConfig } from "../live_config.ts";

const log = getLogger(["ngrokd", "config"]);

type Ways = Pick<LiveConfig, "current" | "apiProxy">;

/** The ways to API and ingress, without credentials. */
export function proxyReport({ current, apiProxy }: Ways): ProxyReport {
  return { api: toUse(apiProxy.proxy), ingress: toUse(current.proxy), notes: [...apiProxy.notes] };
}

/** Says which proxies are used and why others are not; nothing where none is set. */
export function logProxies(live: Ways): void {
  const { api, ingress, notes } = proxyReport(live);
  if (api !== null) {
    log.info("The API is asked through the proxy {proxy} ({source})", { proxy: api.url, source: api.source });
  }
  if (ingress !== null) {
    log.info("The ingress is dialled through the proxy {proxy} ({source})", {
      proxy: ingress.url,
      source: ingress.source,
    });
  }
  for (const note of notes) log.info("Proxies: {note}", { note });
}

function toUse(proxy: Proxy | undefined): ProxyUse | null {
  if (proxy === undefined) return null;
  return { url: showProxy(proxy), source: proxy.setting === "proxy_url" ? "config" : proxy.setting };
}
