import {
  type Cidr,
  cidrContains,
  cidrIncludes,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  formatIpv4,
} from "../lib/ipv4.ts";
import { SHORTEST_PREFIX } from "./choose_subnet.ts";
import type { PolicyRule, TableRoute } from "./rule_output.ts";

/** The table with the addresses of this machine. Our route is in it. */
const LOCAL = "local";
const MAIN = "main";

/** The types of routes behind which there is no host. */
const NO_HOSTS: readonly string[] = ["blackhole", "unreachable", "prohibit", "throw"];

/**
 * Finds the routes of others that overlap with our subnet, in the order in which the kernel looks
 * them up: rule by rule, and in each table the longest prefix, then the lowest metric. The first
 * table with a route decides. Our route is in the table `local`, which the first rule names, and
 * wins there against longer prefixes of other tables. But until somebody adds a rule, `local` and
 * `main` are one table, in which a longer prefix of `main` wins.
 */
export function findOverlaps(subnet: Cidr, { routes, rules, isMerged }: Lookup): Overlap[] {
  const found = new Map<string, Overlap>();
  let isBeforeLocal = true;
  for (const { table, to, except, longestSuppressed, isForAll } of rules) {
    const isExcepted = (part: Cidr) => except !== undefined && cidrIncludes(except, part);
    if (!cidrsOverlap(to, subnet) || isExcepted(subnet)) continue;
    if (table === LOCAL && isForAll) isBeforeLocal = false;
    const inTable = routes.filter((route) =>
      route.table === table && route.to.prefix > longestSuppressed && cidrsOverlap(route.to, subnet) &&
      cidrsOverlap(route.to, to) && !isExcepted(route.to)
    );
    for (const route of inTable) {
      // A hidden route leads nothing to its hosts, whoever hides it.
      if (inTable.some((other) => hides(other, { route, subnet }))) continue;
      const isLonger = isMerged && table === MAIN && route.to.prefix > subnet.prefix;
      const effect = effectOf(route, { subnet, isTaking: isLonger || (isBeforeLocal && isForAll) });
      const { to, dev } = route;
      if (effect !== undefined) found.set(`${effect} ${formatCidr(to)} ${dev}`, { to, dev, effect });
    }
    const isForWhole = isForAll && cidrIncludes(to, subnet) &&
      (except === undefined || !cidrsOverlap(except, subnet));
    if (isForWhole && table !== LOCAL && inTable.some((route) => decides(route, subnet))) break;
  }
  return [...found.values()];
}

/** Describes the overlaps in one sentence for each effect; undefined if there are none. */
export function describeOverlaps(subnet: Cidr, overlaps: readonly Overlap[]): string | undefined {
  const texts = Object.entries(SENTENCES).flatMap(([effect, sentence]) => {
    const all = overlaps.filter((overlap) => overlap.effect === effect);
    if (all.length === 0) return [];
    const named = all.slice(0, MAX_NAMED).map(({ to, dev }) =>
      dev === "" ? formatCidr(to) : `${formatCidr(to)} (dev ${dev})`
    );
    const more = all.length > MAX_NAMED ? [`${all.length - MAX_NAMED} more`] : [];
    return [sentence([...named, ...more].join(", "), formatCidr(subnet))];
  });
  return texts.length === 0 ? undefined : texts.join("; ");
}

const MAX_NAMED = 3;

const SENTENCES: Readonly<Record<Effect, (routes: string, subnet: string) => string>> = {
  hidden: (routes, subnet) =>
    `this machine cannot reach the hosts of ${routes} that have addresses in ${subnet}, because ngrokd uses ${subnet}`,
  shared: (routes, subnet) => `this machine has addresses in ${subnet} on other interfaces too: ${routes}`,
  taken: (routes, subnet) =>
    `connections to ${subnet} do not all reach ngrokd, because of the route to ${routes}`,
};

/**
 * Returns true if a route takes the traffic to every subnet from us: a default route, in a table
 * before the one with ours.
 */
export function isForEverything({ to, effect }: Overlap): boolean {
  return effect === "taken" && to.prefix < SHORTEST_PREFIX;
}

function effectOf(
  { to, type, table }: TableRoute,
  { subnet, isTaking }: { subnet: Cidr; isTaking: boolean },
): Effect | undefined {
  if (table === LOCAL) {
    // Our route is longer.
    if (to.prefix <= subnet.prefix) return undefined;
    return type === "local" ? "shared" : "taken";
  }
  if (isTaking) return type === "throw" ? undefined : "taken";
  // No network of their own is known behind shorter ones.
  return to.prefix < SHORTEST_PREFIX || NO_HOSTS.includes(type) ? undefined : "hidden";
}

/** Returns true if no later rule matters for the subnet. */
function decides({ to, type }: TableRoute, subnet: Cidr): boolean {
  return type !== "throw" && to.prefix <= subnet.prefix;
}

/** Returns true if another route of the table wins for all that `route` has of the subnet. */
function hides(other: TableRoute, { route, subnet }: { route: TableRoute; subnet: Cidr }): boolean {
  if (other === route) return false;
  if (other.to.prefix === route.to.prefix) {
    return other.to.base === route.to.base && other.metric < route.metric;
  }
  const contested = route.to.prefix > subnet.prefix ? route.to : subnet;
  return other.to.prefix > route.to.prefix && other.to.prefix <= contested.prefix &&
    cidrContains(other.to, contested.base);
}

/** The routes of others and the rules by which the kernel looks them up, in their order. */
export interface Lookup {
  /** All routes that may overlap, without ours. */
  readonly routes: readonly TableRoute[];
  readonly rules: readonly PolicyRule[];
  /** True while the tables `local` and `main` are one. */
  readonly isMerged: boolean;
}

/**
 * Returns an address by which the kernel shows that the tables `local` and `main` are one: it is
 * not ours if they are. Undefined if that makes no difference.
 */
export function probeAddress(subnet: Cidr, { routes, rules }: Omit<Lookup, "isMerged">): string | undefined {
  // Another rule splits them for good, but the rules may be gone.
  if (rules.some(({ table }) => !STANDARD.includes(table))) return undefined;
  const longer = routes.filter(({ to }) => to.prefix > subnet.prefix);
  for (const route of longer.filter(({ table }) => table === MAIN)) {
    const deeper = longer.filter(({ to }) => to.prefix > route.to.prefix);
    for (let offset = 0; offset < Math.min(MAX_TRIES, cidrSize(route.to)); offset++) {
      const address = route.to.base + offset;
      if (!deeper.some(({ to }) => cidrContains(to, address))) return formatIpv4(address);
    }
  }
  return undefined;
}

const STANDARD: readonly string[] = [LOCAL, MAIN, "default"];
const MAX_TRIES = 8;

/**
 * The effect of an overlap. `hidden`: our route takes the traffic to hosts of the network.
 * `shared`: another interface has addresses in our subnet. `taken`: the route takes traffic from
 * us.
 */
export type Effect = "hidden" | "shared" | "taken";

/** A route of others that overlaps with our subnet. */
export interface Overlap {
  readonly to: Cidr;
  /** `""` if it leads to no interface. */
  readonly dev: string;
  readonly effect: Effect;
}
