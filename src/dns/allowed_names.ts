import { NamePatterns } from "../names/policy/name_patterns.ts";

/** The names in `dns.allow_private`. Its patterns are made once for each configuration. */
export class AllowedNames {
  readonly #list: () => readonly string[];
  #made: { readonly list: readonly string[]; readonly patterns: NamePatterns } | undefined;

  /** `list` returns the same object until the configuration changes. */
  constructor(list: () => readonly string[]) {
    this.#list = list;
  }

  has(name: string): boolean {
    const list = this.#list();
    if (this.#made?.list !== list) this.#made = { list, patterns: new NamePatterns(list) };
    return this.#made.patterns.find(name) !== undefined;
  }
}
