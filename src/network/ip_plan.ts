import { type Cidr, formatCidr, formatIpv4 } from "../lib/ipv4.ts";
import type { IpRoute, Link } from "./ip_output.ts";

/**
 * The hardware address of every interface that is ours: "ngrok" as a locally administered address. It is set by the very call that makes
 * the interface, which an alias is not, so there is no moment at which a crash leaves one behind that nobody recognises. udev does not
 * replace an address that was set.
 */
export const MARK = "02:6e:67:72:6f:6b";

/** The routing protocol number of every route that is ours: none that a routing daemon is known to use. */
export const PROTOCOL = "107";

/** The interface of the machine's own that carries the route where none can be made. */
export const LO = "lo";

/** What stands on this machine. */
export interface Observed {
  readonly links: readonly Link[];
  /** Those with our protocol number. */
  readonly ownRoutes: readonly IpRoute[];
}

/** What should stand. */
export interface Wanted {
  readonly name: string;
  /** `dummy` or `bridge`: an interface of our own; `lo`: the machine's. */
  readonly kind: string;
  readonly subnet: Cidr;
}

/** One call of `ip`, without the program, and the reason for it as an observation. */
export interface Step {
  readonly args: readonly string[];
  readonly because: string;
}

/** Whether an interface is ours. One that others put on top of ours (a VLAN, a macvlan) inherits the mark, not the kind. */
export function isOwn(link: Link): boolean {
  return link.mac === MARK && (link.kind === "dummy" || link.kind === "bridge");
}

/**
 * The steps from what stands to what should stand; none if all is well: one interface, one address on it, and one `local` route, which
 * makes every address of the subnet one of this machine (DESIGN.md decision 3). On `lo` the route is enough.
 */
export function planVirtual(observed: Observed, wanted: Wanted): Step[] {
  const { name, kind, subnet } = wanted;
  const dev = kind === LO ? LO : name;
  const leftover = observed.links.filter((link) => isOwn(link) && link.name !== dev);
  // A deleted interface takes its routes with it.
  const remaining = observed.ownRoutes.filter((route) => !leftover.some((link) => link.name === route.dev));
  const isWanted = (route: IpRoute) => route.dev === dev && formatCidr(route.to) === formatCidr(subnet);
  const steps = [
    ...leftover.map(deleteLink),
    ...remaining.filter((route) => !isWanted(route)).map(deleteRoute),
  ];
  if (dev !== LO) steps.push(...planLink(observed, wanted));
  if (!remaining.some(isWanted)) {
    steps.push({
      args: ["route", "add", "local", formatCidr(subnet), "dev", dev, "proto", PROTOCOL],
      because: `the route ${formatCidr(subnet)} dev ${dev} is missing`,
    });
  }
  return steps;
}

/** The steps that leave nothing of ours, whoever left it behind. */
export function planRelease(observed: Observed): Step[] {
  const own = observed.links.filter(isOwn);
  const remaining = observed.ownRoutes.filter((route) => !own.some((link) => link.name === route.dev));
  return [...own.map(deleteLink), ...remaining.map(deleteRoute)];
}

/**
 * The address has site scope: behind a usual default route no program picks it as the source of what it sends into a network, and
 * systemd-resolved, which leaves out interfaces with less, asks by way of it.
 */
function planLink(observed: Observed, { name, kind, subnet }: Wanted): Step[] {
  const link = observed.links.find((candidate) => candidate.name === name && isOwn(candidate));
  const gateway = `${formatIpv4(subnet.base + 1)}/32`;
  const steps: Step[] = [];
  if (link === undefined) {
    steps.push({
      args: ["link", "add", "name", name, "address", MARK, "type", kind],
      because: `the interface ${name} is missing`,
    });
  }
  if (!link?.addresses.includes(gateway)) {
    steps.push({
      args: ["address", "add", gateway, "dev", name, "scope", "site"],
      because: `the address ${gateway} dev ${name} is missing`,
    });
  }
  // After the new one: an interface that loses its last address loses its routes. What is no host address was put there by others.
  for (const address of link?.addresses ?? []) {
    if (address === gateway || !address.endsWith("/32")) continue;
    steps.push({
      args: ["address", "delete", address, "dev", name],
      because: `the address ${address} dev ${name} is left over`,
    });
  }
  if (!link?.up) {
    steps.push({ args: ["link", "set", "dev", name, "up"], because: `the interface ${name} is down` });
  }
  return steps;
}

function deleteLink({ name }: Link): Step {
  return { args: ["link", "delete", "dev", name], because: `the interface ${name} is left over` };
}

function deleteRoute({ to, dev }: IpRoute): Step {
  const subnet = formatCidr(to);
  return {
    args: ["route", "delete", "local", subnet, "dev", dev, "proto", PROTOCOL],
    because: `the route ${subnet} dev ${dev} is left over`,
  };
}
