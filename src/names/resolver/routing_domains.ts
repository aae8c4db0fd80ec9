import { isHostname, parentDomains, withoutWildcard } from "../../lib/hostname.ts";

/**
 * Returns the domains to route for these names and wildcards. A resolver routes a name only
 * together with all names below it, so a name is a domain like the suffix of a wildcard, and a name
 * below another needs no entry.
 */
export function routingDomains(names: readonly string[]): RoutingDomains {
  const domains = new Set<string>();
  const refused = new Map<string, string>();
  for (const name of names) {
    const domain = withoutWildcard(name);
    if (isHostname(domain)) domains.add(domain);
    else refused.set(name, "it is not a host name");
  }
  return { domains: topmost(domains), refused };
}

/** Returns the names that belong to a refused domain, each with the reason for that domain. */
export function refusedNames(
  names: readonly string[],
  reasons: ReadonlyMap<string, string>,
): Map<string, string> {
  const refused = new Map<string, string>();
  if (reasons.size === 0) return refused;
  for (const name of names) {
    const domain = withoutWildcard(name);
    const found = [domain, ...parentDomains(domain)].find((candidate) => reasons.has(candidate));
    if (found !== undefined) refused.set(name, reasons.get(found)!);
  }
  return refused;
}

/**
 * Chooses at most `max` domains that cover as many as possible of these (from
 * {@linkcode routingDomains}). While there are too many, the deepest are replaced by their parents,
 * but never by a top level domain or the root, which would route every name of the machine.
 */
export function fitDomains(domains: readonly string[], max: number): FittedDomains {
  let fitted = domains;
  while (fitted.length > max) {
    const depth = Math.max(...fitted.map(labelsOf));
    if (depth <= 2) return { domains: fitted.slice(0, max), left: fitted.slice(max) };
    fitted = topmost(
      new Set(fitted.map((domain) => labelsOf(domain) < depth ? domain : parentDomains(domain)[0]!)),
    );
  }
  return { domains: fitted, left: [] };
}

function topmost(domains: ReadonlySet<string>): string[] {
  return [...domains].filter((domain) => !parentDomains(domain).some((parent) => domains.has(parent))).sort();
}

function labelsOf(domain: string): number {
  return domain.split(".").length;
}

/** Names in the form in which a resolver can route them. */
export interface RoutingDomains {
  /** Sorted, and none of them below another. */
  readonly domains: readonly string[];
  /** Name → reason. */
  readonly refused: ReadonlyMap<string, string>;
}

/** The domains that fit, at most `max`, and those that do not. */
export interface FittedDomains {
  readonly domains: readonly string[];
  readonly left: readonly string[];
}
