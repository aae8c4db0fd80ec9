import { type HostsLine, outsideSection, readHostsLines } from "../hosts/hosts_block.ts";
import { HostsNames, type HostsSection, indexNames, NO_SECTION } from "./hosts_names.ts";

/**
 * The lines of the hosts file outside ngrokd's section. They are read again only when they change:
 * a list of 100,000 blocked names takes half a second.
 */
export class UserHosts {
  /** Grows when {@linkcode names} changes. */
  revision = 0;
  /** Grows when {@linkcode lines} changes. */
  linesRevision = 0;
  lines: readonly HostsLine[] = [];
  names: HostsNames = new HostsNames(indexNames([]));
  readonly #isOurs: (address: string) => boolean;
  #text = "";
  #outside = "";
  #section = NO_SECTION;

  /**
   * @param isOurs Returns true for an address that only ngrokd writes. A damaged section has no
   * known end, so that all other lines are taken for lines outside it.
   */
  constructor(isOurs: (address: string) => boolean) {
    this.#isOurs = isOurs;
  }

  /** Takes over the content of the file. */
  update(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    const found = outsideSection(text);
    // ngrokd adds a line end before its section.
    const outside = (found?.text ?? text).trimEnd();
    const section = found ?? NO_SECTION;
    if (outside !== this.#outside) {
      this.#outside = outside;
      const lines = readHostsLines(outside);
      this.lines = found === undefined ? lines.filter(({ address }) => !this.#isOurs(address)) : lines;
      this.linesRevision++;
      this.names = new HostsNames(indexNames(this.lines), section);
    } else if (this.#isMoved(section)) this.names = this.names.around(section);
    else return;
    this.#section = section;
    this.revision++;
  }

  /** Returns true if lines behind the section have other numbers now. */
  #isMoved({ linesBefore, lines }: HostsSection): boolean {
    const old = this.#section;
    const hasLinesBehind = (this.lines.at(-1)?.line ?? 0) > Math.min(linesBefore, old.linesBefore);
    return hasLinesBehind && (linesBefore !== old.linesBefore || lines !== old.lines);
  }
}
