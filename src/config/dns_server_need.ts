import { parseTcpAddress } from "../system/tcp.ts";
import { listenerKey } from "../model/route_table.ts";
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
  const { address, port } = parseTcpAddress(server);
  return [{ kind: "net", host: listenerKey(withoutZone(address), port) }, ANY_IPV6];
}
