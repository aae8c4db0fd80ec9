import { isHostname, normalizeHostname, parentDomains, withoutWildcard } from "../../lib/hostname.ts";
import { NameSet } from "./name_set.ts";

/**
 * The domains that the resolver of this machine appends to names: whoever has `proxy.corp.example`
 * gets the connections to `proxy`.
 */
export class SearchDomains {
  readonly #domains: ReadonlySet<string>;
  readonly #covered: NameSet;

  /** @param domains Normalised. */
  constructor(domains: readonly string[]) {
    this.#domains = new Set(domains);
    this.#covered = new NameSet(domains);
  }

  has(domain: string): boolean {
    return this.#domains.has(domain);
  }

  /** Returns each name or wildcard that the resolver can extend to this one. */
  shortForms(name: string): ShortForm[] {
    if (this.#domains.size === 0) return [];
    const bare = withoutWildcard(name);
    return parentDomains(bare).filter((domain) => this.#domains.has(domain))
      .map((domain) => ({ short: name.slice(0, -domain.length - 1), domain }));
  }

  /** Returns a search domain of which a wildcard has every name; undefined for none. */
  coveredBy(wildcard: string): string | undefined {
    const domain = wildcard.slice(2);
    return this.#domains.has(domain) ? domain : this.#covered.taken(wildcard);
  }
}

/** A name without a search domain. */
export interface ShortForm {
  readonly short: string;
  readonly domain: string;
}

/** Reads the domains of a resolv.conf(5), in which the last `domain` or `search` line counts. */
export function readSearchDomains(resolvConf: string): string[] {
  const [last] = [...resolvConf.matchAll(/^(?:domain|search)[ \t]+([^\n#;]+)/gm)].slice(-1);
  return (last?.[1] ?? "").split(/\s+/).map(normalizeHostname).filter(isHostname);
}
