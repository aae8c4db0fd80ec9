import { type Cidr, formatCidr, formatIpv4, isSameCidr } from "../lib/ipv4.ts";
import type { IpRoute, Link } from "./ip_output.ts";

/**
 * The hardware address of every interface of ours: "ngrok" as a locally administered address. The
 * call that creates the interface sets it (which it cannot do with an alias), so that a crash at
 * any moment leaves only interfaces that are recognised. udev does not replace an address that was
 * set.
 */
const OWN_MAC = "02:6e:67:72:6f:6b";

/** The hardware address of the other end of a veth, which disappears with ours. */
const PEER_MAC = "02:6e:67:72:6f:6c";

const OWN_KINDS: readonly string[] = ["dummy", "veth"];

/** Earlier versions made bridges, which have no carrier. They are removed. */
const OLD_KIND = "bridge";

/** The longest name of an interface in Linux (IFNAMSIZ). */
const MAX_NAME = 15;
const PEER_SUFFIX = "-peer";

/** The routing protocol number of every route of ours; no known routing daemon uses it. */
export const PROTOCOL = "107";

/** The loopback interface, which has the route if no interface can be created. */
export const LO = "lo";

/**
 * Returns true if the interface is ours. A VLAN on it inherits its hardware address, but not its
 * kind. A bridge also has that of a port, so ours is a bridge of the configured name without ports.
 */
export function isOwn(link: Link, { name, links }: OwnOptions): boolean {
  if (link.mac !== OWN_MAC) return false;
  if (link.kind !== OLD_KIND) return OWN_KINDS.includes(link.kind);
  return link.name === name && links.every(({ master }) => master !== name);
}

/** The configured name, and all interfaces of this machine. */
export interface OwnOptions {
  readonly name: string;
  readonly links: readonly Link[];
}

/** Finds the interface of ours with this name; undefined if it has to be made. */
export function findOwn({ links }: Pick<ObservedLinks, "links">, name: string): Link | undefined {
  return links.find((link) => link.name === name && isOwn(link, { name, links }) && isUsable(link, links));
}

/**
 * Returns false if it has no carrier and nothing can give it one: a bridge, or a veth whose other
 * end has another name or namespace. systemd-resolved sends nothing through it.
 */
function isUsable(link: Link, links: readonly Link[]): boolean {
  if (link.kind !== "veth") return link.kind !== OLD_KIND;
  return !link.up || link.hasCarrier || findPeer(links, link.name) !== undefined;
}

function findPeer(links: readonly Link[], name: string): Link | undefined {
  return links.find((link) => link.name === peerName(name) && link.mac === PEER_MAC);
}

/** Returns the name of the other end of a veth with this name. */
function peerName(name: string): string {
  return `${name.slice(0, MAX_NAME - PEER_SUFFIX.length)}${PEER_SUFFIX}`;
}

/**
 * Plans the steps from the observed to the wanted state: one interface, one address on it, and one
 * `local` route, which makes every address of the subnet an address of this machine
 * (docs/decisions/0006-virtual-addresses-on-linux.md). On `lo` the route is enough.
 */
export function planVirtual(observed: ObservedLinks, wanted: Wanted): IpStep[] {
  const { name, kind, subnet } = wanted;
  const dev = kind === LO ? LO : name;
  const leftover = observed.links.filter((link) =>
    isOwn(link, { ...observed, name }) && (link.name !== dev || !isUsable(link, observed.links))
  );
  // Deleting an interface deletes its routes.
  const remaining = observed.ownRoutes.filter((route) => !leftover.some((link) => link.name === route.dev));
  const isWanted = (route: IpRoute) => route.dev === dev && isSameCidr(route.to, subnet);
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

/** Plans the steps that remove everything of ours, of this and earlier runs. */
export function planRelease(observed: ObservedLinks, name: string): IpStep[] {
  const own = observed.links.filter((link) => isOwn(link, { ...observed, name }));
  const remaining = observed.ownRoutes.filter((route) => !own.some((link) => link.name === route.dev));
  return [...own.map(deleteLink), ...remaining.map(deleteRoute)];
}

/**
 * Plans the interface and its address, which has site scope. With a narrower scope systemd-resolved
 * would ignore the interface; with a wider one, programs could choose the address as the source of
 * packets to a network.
 */
function planLink(observed: ObservedLinks, { name, kind, subnet }: Wanted): IpStep[] {
  const link = findOwn(observed, name);
  const gateway = `${formatIpv4(subnet.base + 1)}/32`;
  const steps: IpStep[] = [];
  if (link === undefined) {
    steps.push({
      args: ["link", "add", "name", name, "address", OWN_MAC, ...typeArguments(name, kind)],
      because: `the interface ${name} is missing`,
    });
  }
  if (!link?.addresses.includes(gateway)) {
    steps.push({
      args: ["address", "add", gateway, "dev", name, "scope", "site"],
      because: `the address ${gateway} dev ${name} is missing`,
    });
  }
  // Old addresses are deleted after the new one is added, because an interface without addresses
  // loses its routes. Only host addresses are ours.
  for (const address of link?.addresses ?? []) {
    if (address === gateway || !address.endsWith("/32")) continue;
    steps.push({
      args: ["address", "delete", address, "dev", name],
      because: `the address ${address} dev ${name} is left over`,
    });
  }
  if ((link?.kind ?? kind) === "veth") steps.push(...planPeer(observed, { name, isNew: link === undefined }));
  if (!link?.up) steps.push(...setUp(name));
  return steps;
}

/**
 * Plans the other end of a veth. A veth has a carrier only while both ends are up, and
 * systemd-resolved sends nothing through an interface without one.
 */
function planPeer(observed: ObservedLinks, { name, isNew }: { name: string; isNew: boolean }): IpStep[] {
  return isNew || findPeer(observed.links, name)?.up === false ? setUp(peerName(name)) : [];
}

/** A veth is made as a dummy is: without ARP and multicast, so that nothing is sent through it. */
function typeArguments(name: string, kind: string): string[] {
  if (kind !== "veth") return ["type", kind];
  const quiet = ["arp", "off", "multicast", "off"];
  return [...quiet, "type", kind, "peer", "name", peerName(name), "address", PEER_MAC, ...quiet];
}

/** Without an IPv6 address, for which the kernel would send packets through the interface. */
function setUp(name: string): IpStep[] {
  const because = `the interface ${name} is down`;
  return [
    // It fails where IPv6 is disabled, which has the same effect.
    { args: ["link", "set", "dev", name, "addrgenmode", "none"], because, mayFail: true },
    { args: ["link", "set", "dev", name, "up"], because },
  ];
}

/** Plans the step that removes an interface, with its addresses and routes. */
export function deleteLink({ name }: Link): IpStep {
  return { args: ["link", "delete", "dev", name], because: `the interface ${name} is left over` };
}

function deleteRoute({ to, dev }: IpRoute): IpStep {
  const subnet = formatCidr(to);
  return {
    args: ["route", "delete", "local", subnet, "dev", dev, "proto", PROTOCOL],
    because: `the route ${subnet} dev ${dev} is left over`,
  };
}

/** The interfaces and routes of this machine. */
export interface ObservedLinks {
  readonly links: readonly Link[];
  /** The routes with our protocol number. */
  readonly ownRoutes: readonly IpRoute[];
}

/** The interface and route that this machine should have. */
export interface Wanted {
  readonly name: string;
  /** `dummy` or `veth` for an interface of ours, or `lo`. */
  readonly kind: string;
  readonly subnet: Cidr;
}

/** The arguments of one call of `ip`, and the observation that makes it necessary. */
export interface IpStep {
  readonly args: readonly string[];
  readonly because: string;
  /** True if the kernel may refuse it. @default {false} */
  readonly mayFail?: boolean;
}
