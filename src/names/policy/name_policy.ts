import { withoutWildcard } from "../../lib/hostname.ts";
import { nextRevision } from "../../model/revision.ts";
import { CLOUD_HOSTS } from "../../model/cloud_hosts.ts";
import { judgePublic } from "./judge_public.ts";
import { NamePatterns } from "./name_patterns.ts";
import type { NameRules } from "./name_rules.ts";
import { NameSet } from "./name_set.ts";
import { SearchDomains } from "./search_domains.ts";
import { HOW_TO_ALLOW, type NameVerdict } from "./verdict.ts";
import { discoveryLabel, isLocalName, WELL_KNOWN_NAMES } from "./well_known_names.ts";

/**
 * Decides which names endpoints may have on this machine (docs/reliability.md R9 and R56). It is
 * immutable, and its sets are made once: a decision costs a few look-ups. All names are normalised.
 */
export class NamePolicy {
  /** Grows with each policy: equal revisions mean equal decisions. */
  readonly revision: number = nextRevision();
  readonly #rules: NameRules;
  readonly #machine: NameSet;
  readonly #domains: ReadonlySet<string>;
  readonly #search: SearchDomains;
  readonly #reserved: NameSet;
  readonly #allowed: NamePatterns;
  readonly #denied: NamePatterns;

  constructor(rules: NameRules) {
    this.#rules = rules;
    this.#machine = new NameSet(rules.machine.names);
    this.#domains = new Set(rules.machine.domains);
    this.#search = new SearchDomains(rules.machine.searchDomains);
    this.#reserved = new NameSet([...CLOUD_HOSTS, ...rules.reserved]);
    this.#allowed = new NamePatterns(rules.allowed);
    this.#denied = new NamePatterns(rules.denied);
  }

  /** Decides about a name or wildcard. */
  judge(name: string): NameVerdict {
    const refused = this.#refuse(name);
    if (refused !== undefined) return { refused };
    if (!this.#needsLookUp(name)) return {};
    const { publicState, shadowPublic } = this.#rules;
    return judgePublic(name, { state: publicState(name), policy: shadowPublic });
  }

  /** Returns true if only the public DNS can tell whether the name takes one of others. */
  needsLookUp(name: string): boolean {
    return this.#needsLookUp(name) && this.#refuse(name) === undefined;
  }

  /** Returns true if no answer of the DNS server may have the name, below no wildcard either. */
  isAlwaysRefused(name: string): boolean {
    return this.#refuseAlways(name) !== undefined;
  }

  /** Returns true for a domain under which anybody can register one: `com`, `co.uk`. */
  isRegistrySuffix(domain: string): boolean {
    return this.#rules.suffixes?.isRegistrySuffix(domain) ?? false;
  }

  #needsLookUp(name: string): boolean {
    const bare = withoutWildcard(name);
    return this.#rules.suffixes?.isPublic(bare) === true && this.#allowed.find(name) === undefined;
  }

  #refuse(name: string): string | undefined {
    const always = this.#refuseAlways(name);
    if (always !== undefined) return `"${name}" ${always}`;
    if (this.#allowed.find(name) !== undefined) return undefined;
    const reason = this.#refuseUnlessAllowed(name);
    return reason === undefined ? undefined : `"${name}" ${reason}; ${HOW_TO_ALLOW}`;
  }

  #refuseAlways(name: string): string | undefined {
    const own = this.#refuseOwn(name) ?? this.#refuseShort(name, (short) => this.#refuseOwn(short));
    if (own !== undefined) return own;
    if (this.#domains.has(name)) return "is the domain of this machine";
    if (this.#search.has(name)) return "is a search domain of this machine";
    const denied = this.#denied.findAny(name);
    return denied === undefined ? undefined : `is refused by "${denied}" in net.deny_names`;
  }

  /** Refuses what the resolver of this machine makes of a name that `refuse` refuses. */
  #refuseShort(name: string, refuse: (short: string) => string | undefined): string | undefined {
    for (const { short, domain } of this.#search.shortForms(name)) {
      const reason = refuse(short);
      if (reason !== undefined) return `ends in the search domain ${domain}, and "${short}" ${reason}`;
    }
    return undefined;
  }

  #refuseOwn(name: string): string | undefined {
    if (isLocalName(name)) return "means this machine itself";
    const machine = this.#machine.taken(name);
    if (machine !== undefined) return isOrCovers(name, machine, "the name of this machine");
    const reserved = this.#reserved.taken(name);
    if (reserved === undefined) return undefined;
    return isOrCovers(name, reserved, "a name that the daemon itself connects to");
  }

  #refuseUnlessAllowed(name: string): string | undefined {
    const { suffixes, hostsNames, hostsPath } = this.#rules;
    const bare = withoutWildcard(name);
    if (name !== bare && !bare.includes(".")) return "is a wildcard of a whole top-level domain";
    if (name !== bare && suffixes?.isSuffix(bare)) return suffixes.wildcardReason;
    if (!bare.includes(".")) return "is a single label";
    const label = discoveryLabel(bare);
    if (label !== undefined) return `has the label "${label}", by which programs configure themselves`;
    const domain = name === bare ? undefined : this.#search.coveredBy(name);
    if (domain !== undefined) {
      return domain === bare
        ? "is a wildcard of a search domain of this machine"
        : `covers "${domain}", a search domain of this machine`;
    }
    const wellKnown = this.#refuseWellKnown(name) ??
      this.#refuseShort(name, (short) => this.#refuseWellKnown(short));
    if (wellKnown !== undefined) return wellKnown;
    const mapped = hostsNames.taken(name);
    if (mapped === undefined) return undefined;
    return isOrCovers(name, mapped.name, `a name in line ${mapped.line} of ${hostsPath}`);
  }

  #refuseWellKnown(name: string): string | undefined {
    const wellKnown = WELL_KNOWN.taken(name);
    if (wellKnown === undefined) return undefined;
    return isOrCovers(name, wellKnown, "a well-known name that programs trust");
  }
}

const WELL_KNOWN = new NameSet(WELL_KNOWN_NAMES);

/** Says that an endpoint takes a name: by the same name, or by a wildcard. */
function isOrCovers(name: string, taken: string, description: string): string {
  return name === taken ? `is ${description}` : `covers "${taken}", ${description}`;
}
