import { withoutZone } from "../lib/ipv6.ts";
import type { Capability } from "../system/permissions.ts";

/** The socket from which all IPv6 servers are asked. */
const ANY_IPV6: Capability = { kind: "net", host: "[::]:0" };

/**
 * Returns the capabilities that asking a DNS server (`a.b.c.d:port`, `[IPv6 address]:port`) needs.
 * No permission of the runtime includes all IPv6 addresses, as `0.0.0.0/0` does for IPv4.
 */
export function serverCapabilities(server: string): Capability[] {
  if (!server.startsWith("[")) return [{ kind: "net", host: server }];
  const end = server.indexOf("]");
  const host = `[${withoutZone(server.slice(1, end))}]${server.slice(end + 1)}`;
  return [{ kind: "net", host }, ANY_IPV6];
}
