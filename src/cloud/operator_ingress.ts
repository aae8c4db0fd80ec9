import { isHostname, normalizeHostname } from "../lib/hostname.ts";
import { isLocalhostName, isLoopbackHost } from "../lib/loopback_host.ts";
import type { IngressTarget } from "../model/ingress_target.ts";
import type { Capability } from "../system/permissions.ts";

/**
 * Returns the ingress that the cloud named as `host` or `host:port`, if the permission set includes
 * it; undefined if it must not be dialled. Addresses are refused, and so is this machine unless the
 * API is on it too (a simulated cloud): the target could be one of our listeners, and every
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
  // Deno throws on a permission query for an invalid host name.
  if (!isHostname(hostname) || port < 1 || port > 65_535) return undefined;
  // Names below localhost are not loopback hosts, but most resolvers resolve them to this machine.
  const mayBeHere = isLoopbackHost(hostname) || isLocalhostName(hostname);
  if (mayBeHere && !isLoopbackHost(new URL(options.apiUrl).hostname)) return undefined;
  return options.holds({ kind: "net", host: `${hostname}:${port}` }) ? { hostname, port } : undefined;
}

/** Options of {@linkcode operatorIngress}. */
export interface OperatorIngressOptions {
  readonly holds: (capability: Capability) => boolean;
  /** The URL of the API that named the ingress. */
  readonly apiUrl: string;
}
