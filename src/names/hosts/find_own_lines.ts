import {
  type HostsEntry,
  isLoopbackLine,
  isOwnForm,
  readDisabledEntry,
  readEntry,
  removeNames,
} from "./hosts_entry.ts";
import type { Markers, Section } from "./hosts_markers.ts";
import { ownLine, type OwnLines } from "./own_lines.ts";
import type { TextLines } from "./text_lines.ts";

/**
 * Finds ngrokd's lines in a hosts file: the markers, its lines in sections and beside markers
 * without a partner, and elsewhere what the record has. Returns the index of each line with the
 * text that stays of it: none, or the names of others in a line that a program has merged. In the
 * order of the lines.
 */
export function findOwnLines(
  lines: TextLines,
  { markers, own }: { readonly markers: Markers; readonly own: OwnLines },
): ReadonlyMap<number, string> {
  const found = new Map<number, string>(markers.lines.map((line) => [line, ""]));
  const search = {
    own,
    found,
    names: namesIn(own.written),
    inSections: new Set<string>(),
    present: new Set<string>(),
  };
  for (const section of markers.sections) searchSection(section, lines, search);
  for (const { line, step } of markers.lone) {
    for (let at = line + step; isBesideMarker(readEntry(lines.get(at)), own); at += step) found.set(at, "");
  }
  searchOutside(lines, markers, search);
  return new Map([...found].sort(([a], [b]) => a - b));
}

interface Search {
  readonly own: OwnLines;
  readonly found: Map<number, string>;
  /** The names in the record. */
  readonly names: ReadonlySet<string>;
  /** The recorded lines that a section has. */
  readonly inSections: Set<string>;
  /** Their names. */
  readonly present: Set<string>;
}

function searchSection({ first, last }: Section, lines: TextLines, search: Search): void {
  const { own, found, names, present } = search;
  const blank: number[] = [];
  const entries: (readonly [number, HostsEntry])[] = [];
  let hasOthers = false;
  for (let at = first + 1; at < last; at++) {
    const line = lines.get(at);
    const bare = line.trimEnd();
    // As written: reading 10,000 lines takes 0.1 s.
    if (note(bare, search) || isUnrecorded(line, own)) {
      found.set(at, "");
      continue;
    }
    const entry = readEntry(line);
    if (entry !== undefined) entries.push([at, entry]);
    else if (line.trim() === "") blank.push(at);
    else if (isBesideMarker(readDisabledEntry(line), own)) found.set(at, "");
    else hasOthers = true;
  }
  for (const line of entries.flatMap(([, entry]) => linesOf(entry))) note(line, search);
  for (const [at, entry] of entries) {
    const [name = ""] = entry.names;
    const isEdited = isOwnForm(entry) && names.has(name) && !present.has(name);
    const rest = isEdited || isBesideMarker(entry, own) ? "" : restOf(lines.get(at), entry, own.written);
    if (rest !== undefined) found.set(at, rest);
    if (rest !== "") hasOthers = true;
  }
  if (!hasOthers) { for (const at of blank) found.set(at, ""); }
}

/**
 * Returns true for a line of a section that ngrokd may have written although the record does not
 * have it, byte for byte. Lines with virtual addresses need no record.
 */
function isUnrecorded(line: string, { written, shared, mayBeStale = false }: OwnLines): boolean {
  return (written === undefined || mayBeStale) && isLoopbackLine(line) && !shared.has(line.trimEnd());
}

/** Returns true for a recorded line, and remembers that a section has it. */
function note(line: string, { own, inSections, present }: Search): boolean {
  if (own.written?.has(line) !== true) return false;
  inSections.add(line);
  present.add(nameOf(line));
  return true;
}

/** Other programs may have removed or moved markers, and moved or merged lines. */
function searchOutside(lines: TextLines, { sections }: Markers, search: Search): void {
  const { own, found, inSections } = search;
  const { written = new Set<string>(), shared, isOwn } = own;
  const ours = new Set([...written].filter((line) => isOwn(addressOf(line)) || !inSections.has(line)));
  if (ours.size === 0) return;
  const others = new Set([...shared].filter((line) => !isOwn(addressOf(line))));
  const certain = ours.difference(others);
  const addresses = new Set([...ours].map(addressOf));
  const copies = new Map<string, number[]>();
  const ends = new Map(sections.map(({ first, last }) => [first, last]));
  for (let at = 0; at < lines.length; at++) {
    at = ends.get(at) ?? at;
    if (found.has(at)) continue;
    const line = lines.get(at);
    // Reading 100,000 lines would be slow.
    if (!addresses.has(/^\s*([^\s#]*)/.exec(line)![1]!)) continue;
    const entry = readEntry(line);
    if (entry === undefined) continue;
    const rest = restOf(line, entry, certain);
    if (rest !== undefined) found.set(at, rest);
    for (const copy of linesOf(entry)) {
      if (!ours.has(copy) || !others.has(copy)) continue;
      const known = copies.get(copy);
      if (known === undefined) copies.set(copy, [at]);
      else known.push(at);
    }
  }
  for (const [line, at] of copies) {
    // One of them is of others, who rarely write it to the letter as ngrokd does.
    const own = at.slice(at.length > 1 ? 0 : 1).findLast((index) => lines.get(index).trimEnd() === line);
    if (own !== undefined) found.set(own, "");
  }
}

/** Returns the line without the names of `ours`; undefined if it has none of them. */
function restOf(line: string, entry: HostsEntry, ours: ReadonlySet<string> | undefined): string | undefined {
  const isOurs = (name: string) => ours?.has(ownLine(entry.address, name)) === true;
  if (entry.names.every(isOurs)) return "";
  return entry.names.some(isOurs) ? removeNames(line, isOurs) : undefined;
}

/** Returns true for a line that is ours if a marker is beside it or it is in a section. */
function isBesideMarker(entry: HostsEntry | undefined, { written, isOwn }: OwnLines): boolean {
  if (entry === undefined) return false;
  return linesOf(entry).every((line) => written?.has(line)) || isOwnForm(entry) && isOwn(entry.address);
}

function linesOf({ address, names }: HostsEntry): string[] {
  return names.map((name) => ownLine(address, name));
}

function namesIn(lines: ReadonlySet<string> = new Set()): ReadonlySet<string> {
  return new Set([...lines].map(nameOf));
}

function nameOf(line: string): string {
  return line.slice(line.indexOf("\t") + 1);
}

function addressOf(line: string): string {
  return line.slice(0, line.indexOf("\t"));
}
