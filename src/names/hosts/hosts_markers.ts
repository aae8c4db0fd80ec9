import type { TextLines } from "./text_lines.ts";

/** The comment above ngrokd's section, and the one below it (docs/compatibility.md 4.6). */
export const BEGIN = "# BEGIN ngrokd managed section";
export const END = "# END ngrokd managed section";

const MARKER = /# (BEGIN|END) ngrokd managed section/g;

/**
 * Finds the marker lines of a hosts file. Programs may have indented them, turned them into
 * comments, or appended comments. A marker behind other text is none.
 */
export function findMarkers(text: string, lines: TextLines): Markers {
  const markers = new Map<number, "BEGIN" | "END" | "both">();
  let last = -1;
  for (const { index, 1: kind } of text.matchAll(MARKER)) {
    const line = lines.lineOf(index);
    if (markers.has(line)) markers.set(line, "both");
    else if (line !== last && isMarker(lines.get(line))) markers.set(line, kind as "BEGIN" | "END");
    last = line;
  }
  const sections: Section[] = [];
  const lone: Markers["lone"][number][] = [];
  let open: number | undefined;
  for (const [line, kind] of markers) {
    if (kind === "both") continue;
    if (kind === "BEGIN") {
      if (open !== undefined) lone.push({ line: open, step: 1 });
      open = line;
    } else if (open === undefined) lone.push({ line, step: -1 });
    else {
      sections.push({ first: open, last: line });
      open = undefined;
    }
  }
  if (open !== undefined) lone.push({ line: open, step: 1 });
  return { lines: [...markers.keys()], sections, lone };
}

/** The marker lines of a hosts file, by index. */
export interface Markers {
  /** All of them, in order. */
  readonly lines: readonly number[];
  /** Each start marker with the end marker that follows it as the next marker. */
  readonly sections: readonly Section[];
  /** Markers without a partner, each with the step to the next line of what was their section. */
  readonly lone: readonly { readonly line: number; readonly step: 1 | -1 }[];
}

/** The index of a start marker and of its end marker. */
export interface Section {
  readonly first: number;
  readonly last: number;
}

function isMarker(line: string): boolean {
  const [before = "", after = ""] = line.split(/# (?:BEGIN|END) ngrokd managed section/, 2);
  return /^[\s#]*$/.test(before) && /^\s*(?:#|$)/.test(after);
}
