import { isHostname, parentDomains } from "../../lib/hostname.ts";

/** Every name. */
export const ROOT = ".";

/** Names as a resolver can be told to route them. */
export interface RoutingDomains {
  /** Sorted, and none of them below another. */
  readonly domains: readonly string[];
  /** Name → why it is none. */
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * What to route for these names and wildcards. No resolver routes a single name without all below it, so a name is a domain like the
 * suffix of a wildcard, and needs no entry of its own below another.
 */
export function routingDomains(names: readonly string[]): RoutingDomains {
  const domains = new Set<string>();
  const refused = new Map<string, string>();
  for (const name of names) {
    const domain = name.startsWith("*.") ? name.slice(2) : name;
    if (isHostname(domain)) domains.add(domain);
    else refused.set(name, "it is not a host name");
  }
  return { domains: uppermost(domains), refused };
}

/** At most `max` domains, and those for which there is no room. */
export interface FittedDomains {
  readonly domains: readonly string[];
  readonly left: readonly string[];
}

/**
 * At most `max` domains (from {@linkcode routingDomains}) that cover as many of these as can be. While there are too many, the deepest give
 * way to their parents, but never to a top level domain, nor to the root: every name of the machine would be routed then.
 */
export function fitDomains(domains: readonly string[], max: number): FittedDomains {
  let folded = domains;
  while (folded.length > max) {
    const depth = Math.max(...folded.map(labelsOf));
    if (depth <= 2) return { domains: folded.slice(0, max), left: folded.slice(max) };
    folded = uppermost(
      new Set(folded.map((domain) => labelsOf(domain) < depth ? domain : parentDomains(domain)[0]!)),
    );
  }
  return { domains: folded, left: [] };
}

function uppermost(domains: ReadonlySet<string>): string[] {
  return [...domains].filter((domain) => !parentDomains(domain).some((parent) => domains.has(parent))).sort();
}

function labelsOf(domain: string): number {
  return domain.split(".").length;
}
