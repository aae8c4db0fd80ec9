import { isLoopbackSubnet } from "../lib/ipv4.ts";
import type { ConfigProblem } from "../model/errors.ts";
import type { Capability } from "../system/permissions.ts";
import type { Config } from "./config.ts";

/** A task denies it where the subnet needs no interface. */
const CAPABILITY: Capability = { kind: "run", path: "/sbin/ip" };

/**
 * Returns the problem of a reload that would need an interface, which only a start can allow: all
 * endpoints would move to other loopback addresses instead.
 */
export function subnetProblem(
  { current, next }: { current: Config; next: Config },
  { holds, operatingSystem }: {
    readonly holds: (capability: Capability) => boolean;
    readonly operatingSystem: () => string;
  },
): ConfigProblem | undefined {
  const needsInterface = isLoopbackSubnet(current.net.subnet) && !isLoopbackSubnet(next.net.subnet);
  if (!needsInterface || operatingSystem() !== "linux" || holds(CAPABILITY)) return undefined;
  return {
    path: "net.subnet",
    message: "ngrokd cannot create the interface for it with the permission set of this run",
    suggestion: "Restart ngrokd by its launcher, which allows /sbin/ip then: ngrokd run",
  };
}
