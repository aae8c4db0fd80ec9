import { isHostname, normalizeHostname } from "../lib/hostname.ts";
import { isLoopbackHost } from "../lib/loopback_host.ts";
import type { IngressTarget } from "../model/ingress_target.ts";
import type { Capability } from "../system/permissions.ts";

/** What {@linkcode operatorIngress} judges by. */
export interface OperatorIngressOptions {
  readonly holds: (capability: Capability) => boolean;
  /** Of the cloud that names the ingress. */
  readonly apiUrl: string;
}

/**
 * The ingress that the cloud named, `host` or `host:port`, if the permission set holds that name; undefined if it is not to be used. An
 * address is not, nor is this machine unless the cloud itself (a simulated one) is on it: it could be one of our own listeners, and every
 * connection would lead to the next.
 */
export function operatorIngress(
  endpoint: string | undefined,
  options: OperatorIngressOptions,
): IngressTarget | undefined {
  const match = /^([^:]+)(?::([0-9]{1,5}))?$/.exec(endpoint ?? "");
  if (match === null) return undefined;
  const [, host = "", digits = "443"] = match;
  const hostname = normalizeHostname(host);
  const port = Number(digits);
  // Deno throws when it is asked about what is no host name.
  if (!isHostname(hostname) || port < 1 || port > 65_535) return undefined;
  if (isLoopbackHost(hostname) && !isLoopbackHost(new URL(options.apiUrl).hostname)) return undefined;
  return options.holds({ kind: "net", host: `${hostname}:${port}` }) ? { hostname, port } : undefined;
}
