import { type HostsEntry, readEntry } from "./hosts_entry.ts";
import { BEGIN, END } from "./hosts_markers.ts";
import { NO_RECORD, ownLine, type OwnLines } from "./own_lines.ts";
import { type HostsGap, splitHosts } from "./split_hosts.ts";
import { BYTE_ORDER_MARK } from "./text_lines.ts";

// Texts have one character per byte (latin1), so that bytes of any encoding survive.

/**
 * Renders our section, markers included: `<address>\t<name>` lines, sorted. The names must be host
 * names; without any, the section is empty.
 */
export function renderBlock(names: ReadonlyMap<string, string>, lineEnd = "\n"): string {
  if (names.size === 0) return "";
  const lines = [...names].map(([name, address]) => ownLine(address, name)).sort();
  return [BEGIN, ...lines, END, ""].join(lineEnd);
}

/**
 * Returns the hosts file with exactly these names in our section and the lines of others kept. Our
 * lines elsewhere, and broken markers, are removed. The section is separated by one line end, which
 * makes a blank line unless the file had no final line end. Without names, the section and that
 * line end are removed, which restores the original file.
 */
export function replaceBlock(
  text: string,
  names: ReadonlyMap<string, string>,
  options: { readonly own?: OwnLines } = {},
): ReplacedBlock {
  const { own = NO_RECORD } = options;
  const { before, after, block: oldBlock, isWhole } = splitHosts(text, own);
  const lineEnd = lineEndOf(text);
  const block = renderBlock(names, lineEnd);
  const kept = keptBefore(before, after, {
    lineEnd,
    isWhole,
    hadLines: oldBlock !== "",
    hasLines: block !== "",
  });
  const isChanged = oldBlock !== "" && !isWhole;
  return { text: kept + block + after, before: kept, after, oldBlock, block, isChanged };
}

/** Returns true if the hosts file has a marker or a recorded name of ours. */
export function hasOwnLines(text: string, own: OwnLines): boolean {
  const { before, after } = splitHosts(text, own);
  return before + after !== text;
}

/** Finds what others give the names of a file that {@linkcode replaceBlock} has made. */
export function findOutside(replaced: ReplacedBlock, names: ReadonlyMap<string, string>): OutsideNames {
  const { before, after, block } = replaced;
  const gaps = [{ linesBefore: lineEnds(before), lines: lineEnds(block) }];
  const lines = new Map<string, number>();
  const shared = new Set<string>();
  for (const { line, address, names: outside } of readHostsLines(before + after)) {
    for (const name of outside) {
      if (names.has(name) && !lines.has(name)) lines.set(name, lineInFile(line, gaps));
      if (names.get(name) === address) shared.add(ownLine(address, name));
    }
  }
  return { lines, shared };
}

/** Returns the number in the file of a line of others, which is numbered without our lines. */
export function lineInFile(line: number, gaps: readonly HostsGap[]): number {
  return gaps.reduce((sum, { linesBefore, lines }) => line > linesBefore ? sum + lines : sum, line);
}

/** Reads the lines that give names an address. */
export function readHostsLines(text: string): HostsLine[] {
  const lines: HostsLine[] = [];
  let line = 0;
  for (const content of text.split("\n")) {
    line++;
    const entry = readEntry(content);
    if (entry !== undefined) lines.push({ line, address: entry.address, names: entry.names });
  }
  return lines;
}

/** Returns the lines of others before the section, with the line end that separates it. */
function keptBefore(before: string, after: string, options: Separation): string {
  const { lineEnd, isWhole, hadLines, hasLines } = options;
  if (!hasLines) return hadLines ? withoutSeparator(before, after, options) : before;
  if (isWhole || bodyOf(before) === "") return before;
  if (!hadLines) return before + lineEnd;
  const ended = before.endsWith("\n") ? before : before + lineEnd;
  // Otherwise its removal would take the last line end of others.
  return after === "" && !/\n\r?\n$/.test(ended) ? ended + lineEnd : ended;
}

interface Separation {
  readonly lineEnd: string;
  readonly isWhole: boolean;
  /** True if the file had lines of ours. */
  readonly hadLines: boolean;
  /** True if it gets some. */
  readonly hasLines: boolean;
}

function withoutSeparator(
  before: string,
  after: string,
  { lineEnd, isWhole }: Separation,
): string {
  const separator = before.endsWith(lineEnd) ? lineEnd : before.endsWith("\n") ? "\n" : "";
  const kept = before.slice(0, before.length - separator.length);
  if (bodyOf(kept) === "") return before;
  // Text after the section must not join the last line before it.
  return (isWhole && after === "") || kept.endsWith("\n") ? kept : before;
}

function lineEndOf(text: string): "\n" | "\r\n" {
  const newline = text.indexOf("\n");
  // A file that ends in a bare CR gets CRLF: with LF, that CR would later look like ours.
  if (newline === -1) return text.endsWith("\r") ? "\r\n" : "\n";
  return text[newline - 1] === "\r" ? "\r\n" : "\n";
}

function lineEnds(text: string): number {
  return text.split("\n").length - 1;
}

function bodyOf(text: string): string {
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(BYTE_ORDER_MARK.length) : text;
}

/** A line of a hosts file that gives names an address. */
export interface HostsLine extends HostsEntry {
  /** From 1. */
  readonly line: number;
}

/** A hosts file with its new section. */
export interface ReplacedBlock {
  /** The whole file. */
  readonly text: string;
  /** Our old lines, markers included; empty if there were none. */
  readonly oldBlock: string;
  /** The new section, markers included; empty if there is none. */
  readonly block: string;
  /** The lines of others before the section, and after it. */
  readonly before: string;
  readonly after: string;
  /** True if another program has broken up the old section. */
  readonly isChanged: boolean;
}

/** The lines of others with names of ours. */
export interface OutsideNames {
  /** Name → the first line, from 1. */
  readonly lines: ReadonlyMap<string, number>;
  /** Those that give it the same address, each `address\tname`. */
  readonly shared: ReadonlySet<string>;
}
