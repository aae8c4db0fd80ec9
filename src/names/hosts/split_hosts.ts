import { findOwnLines } from "./find_own_lines.ts";
import { findMarkers, type Markers } from "./hosts_markers.ts";
import type { OwnLines } from "./own_lines.ts";
import { TextLines } from "./text_lines.ts";

/** Splits a hosts file into ngrokd's lines and those of others. */
export function splitHosts(text: string, own: OwnLines): SplitHosts {
  const lines = new TextLines(text);
  const markers = findMarkers(text, lines);
  const found = findOwnLines(lines, { markers, own });
  const removed = [...found].filter(([, rest]) => rest === "").map(([line]) => line);
  const [section] = markers.sections;
  // What others have written into the section comes before it.
  const place = section === undefined ? removed[0] ?? lines.length : section.last + 1;
  const kept = (from: number, to: number) => withoutFound(lines, found, { from, to });
  return {
    before: lines.mark + kept(0, place),
    after: kept(place, lines.length),
    block: removed.map((line) => lines.get(line)).join(""),
    gaps: gapsOf(removed),
    isWhole: isWhole(markers, found),
  };
}

/** A hosts file in parts, of which the first two together are the lines of others. */
export interface SplitHosts {
  /** The lines of others before the place of ngrokd's section. */
  readonly before: string;
  readonly after: string;
  /** ngrokd's lines in their order, markers included; empty if there are none. */
  readonly block: string;
  /** The position of these lines. */
  readonly gaps: readonly HostsGap[];
  /** True if they are one section that nobody has broken up. */
  readonly isWhole: boolean;
}

/** Consecutive lines of ngrokd in a hosts file. */
export interface HostsGap {
  /** The lines of others before it. */
  readonly linesBefore: number;
  readonly lines: number;
}

function withoutFound(
  lines: TextLines,
  found: ReadonlyMap<number, string>,
  { from, to }: { readonly from: number; readonly to: number },
): string {
  let text = "";
  let start = from;
  for (const [line, rest] of found) {
    if (line < from || line >= to) continue;
    text += lines.slice(start, line) + rest;
    start = line + 1;
  }
  return text + lines.slice(start, to);
}

function gapsOf(removed: readonly number[]): HostsGap[] {
  const firsts = removed.map((_, index) => index).filter((index) =>
    removed[index - 1] !== removed[index]! - 1
  );
  return firsts.map((first, index) => ({
    linesBefore: removed[first]! - first,
    lines: (firsts[index + 1] ?? removed.length) - first,
  }));
}

function isWhole({ lines, sections }: Markers, found: ReadonlyMap<number, string>): boolean {
  const [section] = sections;
  return section !== undefined && lines.length === 2 && found.size === section.last - section.first + 1 &&
    [...found.values()].every((rest) => rest === "");
}
