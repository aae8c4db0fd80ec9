import { type HostsLine, lineInFile } from "../hosts/hosts_block.ts";
import type { HostsGap } from "../hosts/split_hosts.ts";
import { NameSet } from "./name_set.ts";

/** The names to which the hosts file gives an address outside ngrokd's section. Immutable. */
export class HostsNames {
  readonly #index: NameIndex;
  readonly #gaps: readonly HostsGap[];

  /** @param index Its lines are numbered as if there were no lines of ngrokd, the gaps. */
  constructor(index: NameIndex, gaps: readonly HostsGap[] = []) {
    this.#index = index;
    this.#gaps = gaps;
  }

  /** Returns the same names around other lines of ngrokd, with the same index. */
  around(gaps: readonly HostsGap[]): HostsNames {
    return new HostsNames(this.#index, gaps);
  }

  /** Returns a name that an endpoint with this name or wildcard would take, and its line. */
  taken(name: string): { readonly name: string; readonly line: number } | undefined {
    const found = this.#index.names.taken(name);
    if (found === undefined) return undefined;
    return { name: found, line: lineInFile(this.#index.lines.get(found)!, this.#gaps) };
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
