import type { LiveConfig } from "../config/live_config.ts";
import type { Cidr } from "../lib/ipv4.ts";
import { toLoopbackSubnet } from "../network/loopback_subnet.ts";

/** Returns the configured subnet of virtual addresses, and the one that replaces it. */
export function virtualSubnets(live: LiveConfig): Cidr[] {
  const { subnet } = live.current.net;
  return [subnet, toLoopbackSubnet(subnet)];
}
