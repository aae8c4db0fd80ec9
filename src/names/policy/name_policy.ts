import { nextRevision } from "../../model/revision.ts";
import { CLOUD_HOSTS } from "../../model/cloud_hosts.ts";
import type { MachineNames } from "./machine_names.ts";
import { NamePatterns } from "./name_patterns.ts";
import { NameSet } from "./name_set.ts";
import type { PublicSuffixes } from "./public_suffix.ts";
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
  readonly #reserved: NameSet;
  readonly #wellKnown = new NameSet(WELL_KNOWN_NAMES);
  readonly #hosts: NameSet;
  readonly #allowed: NamePatterns;
  readonly #denied: NamePatterns;

  constructor(rules: NameRules) {
    this.#rules = rules;
    this.#machine = new NameSet(rules.machine.names);
    this.#domains = new Set(rules.machine.domains);
    this.#reserved = new NameSet([...CLOUD_HOSTS, ...rules.reserved]);
    this.#hosts = new NameSet(rules.hostsNames.keys());
    this.#allowed = new NamePatterns(rules.allowed);
    this.#denied = new NamePatterns(rules.denied);
  }

  /** Decides about a name or wildcard. */
  judge(name: string): NameVerdict {
    const refused = this.#refuse(name);
    if (refused !== undefined) return { refused };
    return this.#needsLookUp(name) ? this.#judgePublic(name) : {};
  }

  /** Returns true if only the public DNS can tell whether the name takes one of others. */
  needsLookUp(name: string): boolean {
    return this.#needsLookUp(name) && this.#refuse(name) === undefined;
  }

  #needsLookUp(name: string): boolean {
    const bare = name.startsWith("*.") ? name.slice(2) : name;
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
    if (isLocalName(name)) return "means this machine itself";
    const machine = this.#machine.taken(name);
    if (machine !== undefined) return isOrCovers(name, machine, "the name of this machine");
    if (this.#domains.has(name)) return "is the domain of this machine";
    const reserved = this.#reserved.taken(name);
    if (reserved !== undefined) {
      return isOrCovers(name, reserved, "a name that the daemon itself connects to");
    }
    const denied = this.#denied.findAny(name);
    return denied === undefined ? undefined : `is refused by "${denied}" in net.deny_names`;
  }

  #refuseUnlessAllowed(name: string): string | undefined {
    const { suffixes, hostsNames, hostsPath } = this.#rules;
    const bare = name.startsWith("*.") ? name.slice(2) : name;
    if (name !== bare && !bare.includes(".")) return "is a wildcard of a whole top-level domain";
    if (name !== bare && suffixes?.isSuffix(bare)) return "is a wildcard of a whole public suffix";
    if (!bare.includes(".")) return "is a single label";
    const label = discoveryLabel(bare);
    if (label !== undefined) return `has the label "${label}", by which programs configure themselves`;
    const wellKnown = this.#wellKnown.taken(name);
    if (wellKnown !== undefined) return isOrCovers(name, wellKnown, "a well-known name that programs trust");
    const mapped = this.#hosts.taken(name);
    if (mapped === undefined) return undefined;
    return isOrCovers(name, mapped, `a name in line ${hostsNames.get(mapped)} of ${hostsPath}`);
  }

  #judgePublic(name: string): NameVerdict {
    const isWildcard = name.startsWith("*.");
    const policy = this.#rules.shadowPublic ?? (isWildcard ? "refuse" : "warn");
    const state = this.#rules.publicState(name);
    const shadows = `"${name}" shadows ${isWildcard ? "public names" : "a public name"}`;
    if (state === "exists") {
      if (policy === "refuse") return { refused: `${shadows}; ${HOW_TO_ALLOW}` };
      return { note: `${shadows}; if that is intended, add it to net.allow_names` };
    }
    if (state === "missing" || policy === "warn" || !isWildcard) return {};
    const unknown = "may shadow public names: no upstream DNS server has answered yet";
    return { refused: `"${name}" ${unknown}; ${HOW_TO_ALLOW}` };
  }
}

/** Says that an endpoint takes a name: by the same name, or by a wildcard. */
function isOrCovers(name: string, taken: string, description: string): string {
  return name === taken ? `is ${description}` : `covers "${taken}", ${description}`;
}

const HOW_TO_ALLOW = "to serve it, add it to net.allow_names";

/** A decision about a name: it is refused, or unusual, or neither. */
export interface NameVerdict {
  /** The reason why no endpoint may have the name. */
  readonly refused?: string;
  /** An unusual condition of a name that is allowed. */
  readonly note?: string;
}

/** The existence of a name, or of names below a wildcard's suffix, in the public DNS. */
export type PublicState = "exists" | "missing" | "unknown";

/** Everything that a {@linkcode NamePolicy} depends on. */
export interface NameRules {
  readonly machine: MachineNames;
  /** The hosts that the daemon connects to by its configuration, besides those of every ngrokd. */
  readonly reserved: readonly string[];
  /** The names that lines of others in the hosts file give an address → the first line of each. */
  readonly hostsNames: ReadonlyMap<string, number>;
  readonly hostsPath: string;
  /** `net.allow_names` and `net.deny_names`: host names and `*.suffix`. */
  readonly allowed: readonly string[];
  readonly denied: readonly string[];
  /** `net.shadow_public`. @default Refuse wildcards, and warn about names */
  readonly shadowPublic: "refuse" | "warn" | undefined;
  /** Undefined as long as no name needs the list. */
  readonly suffixes: PublicSuffixes | undefined;
  readonly publicState: (name: string) => PublicState;
}
