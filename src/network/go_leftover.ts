import { type Cidr, formatIpv4 } from "../lib/ipv4.ts";
import type { Link } from "./ip_output.ts";
import { isOwn } from "./ip_plan.ts";

/** The kind that the Go daemon creates (docs/compatibility.md 4.6). It carries no traffic. */
const KIND = "dummy";

/**
 * The name of a bridge that people make for the Go daemon where the kernel has no dummies, because
 * it uses an interface that exists. Any other bridge may carry the traffic of this machine.
 */
const DEFAULT_NAME = "ngrokd0";

/**
 * Finds the interface that the Go daemon has left behind: one of our name with the gateway of the
 * configured subnet, which the Go daemon gives it with any prefix length. Version 0.2 removes
 * nothing when it stops, and it sets no hardware address that identifies the interface.
 */
export function findGoLeftover(links: readonly Link[], { name, subnet }: ConfiguredLink): Link | undefined {
  const gateway = `${formatIpv4(subnet.base + 1)}/`;
  return links.find((link) =>
    link.name === name && !isOwn(link, { name, links }) &&
    (link.kind === KIND || link.kind === "bridge" && name === DEFAULT_NAME) &&
    link.addresses.some((address) => address.startsWith(gateway))
  );
}

/** The interface that the configuration asks for. */
export interface ConfiguredLink {
  readonly name: string;
  readonly subnet: Cidr;
}
