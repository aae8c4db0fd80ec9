import { isSharedListenMode } from "../model/listen_mode.ts";
import type { ConfigProblem } from "../model/errors.ts";
import type { Capability } from "../system/permissions.ts";
import type { Config } from "./config.ts";

/** The entry of the permission set `ngrokd_dns` without which nothing of it works. */
const CAPABILITY: Capability = { kind: "write", path: "/etc/resolv.conf" };

/**
 * Returns the key because of which this machine may have to use the DNS server; undefined if only a
 * wildcard needs that.
 */
export function dnsKey({ net, dns }: Config): string | undefined {
  if (dns.enabled) return "dns.enabled";
  if (dns.listen !== "") return "dns.listen";
  if (dns.manageResolvConf === true) return "dns.manage_resolv_conf";
  if (isSharedListenMode(net.listenInterface)) return "net.listen_interface";
  const [host] = Object.entries(net.overrides).find(([, name]) => isSharedListenMode(name)) ?? [];
  return host === undefined ? undefined : `net.overrides.${host}`;
}

/**
 * Returns the problem of a reload that would need the permission set `ngrokd_dns`, which can only
 * be added at a start: names would move from the hosts file to a DNS server that this machine does
 * not ask.
 */
export function dnsProblem(
  { current, next }: { current: Config; next: Config },
  holds: (capability: Capability) => boolean,
): ConfigProblem | undefined {
  const path = dnsKey(next);
  if (path === undefined || dnsKey(current) !== undefined || holds(CAPABILITY)) return undefined;
  return {
    path,
    message: "this machine cannot be told to use the DNS server with the permission set of this run",
    suggestion: "Restart ngrokd by its launcher, which adds the set ngrokd_dns: ngrokd run",
  };
}
