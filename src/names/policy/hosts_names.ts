import type { HostsLine } from "../hosts/hosts_block.ts";
import { NameSet } from "./name_set.ts";

/** The names to which the hosts file gives an address outside ngrokd's section. Immutable. */
export class HostsNames {
  readonly #index: NameIndex;
  readonly #section: HostsSection;

  /** @param index Its lines are numbered as if there were no section of ngrokd. */
  constructor(index: NameIndex, section: HostsSection = NO_SECTION) {
    this.#index = index;
    this.#section = section;
  }

  /** Returns the same names around another section, with the same index. */
  around(section: HostsSection): HostsNames {
    return new HostsNames(this.#index, section);
  }

  /** Returns a name that an endpoint with this name or wildcard would take, and its line. */
  taken(name: string): { readonly name: string; readonly line: number } | undefined {
    const found = this.#index.names.taken(name);
    if (found === undefined) return undefined;
    const line = this.#index.lines.get(found)!;
    const { linesBefore, lines } = this.#section;
    return { name: found, line: line > linesBefore ? line + lines : line };
  }
}

/** Makes the index of the names in lines. */
export function indexNames(hostsLines: readonly HostsLine[]): NameIndex {
  const lines = new Map<string, number>();
  for (const { line, names } of hostsLines) {
    for (const name of names) if (!lines.has(name)) lines.set(name, line);
  }
  return { names: new NameSet(lines.keys()), lines };
}

/** Names, and the first line of each. */
export interface NameIndex {
  readonly names: NameSet;
  readonly lines: ReadonlyMap<string, number>;
}

/** The position of ngrokd's section in the hosts file. */
export interface HostsSection {
  readonly linesBefore: number;
  /** Its own lines, markers included. */
  readonly lines: number;
}

/** A file without a section of ngrokd. */
export const NO_SECTION: HostsSection = { linesBefore: 0, lines: 0 };
