import { parentDomains } from "../../lib/hostname.ts";
import { NameSet } from "./name_set.ts";

/**
 * The patterns of `net.allow_names`, `net.deny_names` or `dns.allow_private`: host names, and
 * `*.suffix`.
 */
export class NamePatterns {
  readonly #exact: ReadonlySet<string>;
  readonly #suffixes: ReadonlySet<string>;
  readonly #all: NameSet;

  constructor(patterns: readonly string[]) {
    const suffixes = patterns.filter((pattern) => pattern.startsWith("*.")).map((pattern) =>
      pattern.slice(2)
    );
    this.#exact = new Set(patterns);
    this.#suffixes = new Set(suffixes);
    this.#all = new NameSet([...patterns.filter((pattern) => !pattern.startsWith("*.")), ...suffixes]);
  }

  /** Returns the pattern that has this name or wildcard; `*.suffix` has every name below it. */
  find(name: string): string | undefined {
    if (this.#exact.has(name)) return name;
    if (this.#suffixes.size === 0) return undefined;
    const suffix = parentDomains(name).find((parent) => this.#suffixes.has(parent));
    return suffix === undefined ? undefined : `*.${suffix}`;
  }

  /** Returns the pattern that has this name, or some of the names below this wildcard. */
  findAny(name: string): string | undefined {
    const found = this.find(name);
    if (found !== undefined || !name.startsWith("*.")) return found;
    const taken = this.#all.taken(name);
    return taken === undefined || this.#exact.has(taken) ? taken : `*.${taken}`;
  }
}
