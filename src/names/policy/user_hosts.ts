import { type HostsLine, readHostsLines } from "../hosts/hosts_block.ts";
import type { OwnLines } from "../hosts/own_lines.ts";
import { type HostsGap, splitHosts } from "../hosts/split_hosts.ts";
import { HostsNames, indexNames } from "./hosts_names.ts";

/**
 * The lines of the hosts file that are not ngrokd's. They are read again only when they change: a
 * list of 100,000 blocked names takes half a second.
 */
export class UserHosts {
  /** Grows when {@linkcode names} changes. */
  revision = 0;
  /** Grows when {@linkcode lines} changes. */
  linesRevision = 0;
  lines: readonly HostsLine[] = [];
  names: HostsNames = new HostsNames(indexNames([]));
  #text = "";
  #own: OwnLines | undefined;
  #outside = "";
  #gaps: readonly HostsGap[] = [];

  /** Takes over the content of the file, in which ngrokd has these lines. */
  update(text: string, own: OwnLines): void {
    if (text === this.#text && own === this.#own) return;
    this.#text = text;
    this.#own = own;
    const { before, after, gaps } = splitHosts(text, own);
    // ngrokd adds a line end before its section.
    const outside = (before + after).trimEnd();
    if (outside !== this.#outside) {
      this.#outside = outside;
      this.lines = readHostsLines(outside);
      this.linesRevision++;
      this.names = new HostsNames(indexNames(this.lines), gaps);
    } else if (this.#isMoved(gaps)) this.names = this.names.around(gaps);
    else return;
    this.#gaps = gaps;
    this.revision++;
  }

  /** Returns true if lines behind lines of ngrokd have other numbers now. */
  #isMoved(gaps: readonly HostsGap[]): boolean {
    const last = this.lines.at(-1)?.line ?? 0;
    const [now, old] = [gaps, this.#gaps].map((all) => all.filter(({ linesBefore }) => linesBefore < last));
    return JSON.stringify(now) !== JSON.stringify(old);
  }
}
