import { normalizeHostname } from "../../lib/hostname.ts";

// Texts have one character per byte (latin1), so that bytes of any encoding survive.

const BEGIN = "# BEGIN ngrokd managed section";
const END = "# END ngrokd managed section";
const BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf";

/**
 * Renders our section, markers included: `<address>\t<name>` lines, sorted. The names must be host
 * names; without any, the section is empty.
 */
export function renderBlock(names: ReadonlyMap<string, string>, lineEnd = "\n"): string {
  if (names.size === 0) return "";
  const lines = [...names].map(([name, address]) => `${address}\t${name}`).sort();
  return [BEGIN, ...lines, END, ""].join(lineEnd);
}

/**
 * Returns the hosts file with exactly these names in our section and every other byte kept. The
 * section is separated by one line end, which makes a blank line unless the file had no final line
 * end. Without names, the section and that line end are removed, which restores the original file.
 */
export function replaceBlock(
  text: string,
  names: ReadonlyMap<string, string>,
): ReplacedBlock | { readonly problem: BlockProblem } {
  const found = locate(text);
  if ("problem" in found) return found;
  const { before, block: oldBlock, after } = found;
  const lineEnd = lineEndOf(text);
  const block = renderBlock(names, lineEnd);
  if (oldBlock !== "") {
    const kept = block === "" ? withoutSeparator(before, after, lineEnd) : before;
    return { text: kept + block + after, oldBlock, block };
  }
  const separator = block === "" || bodyOf(text) === "" ? "" : lineEnd;
  return { text: text + separator + block, oldBlock, block };
}

/** Returns true if the hosts file has a section of ours, whole or damaged. */
export function hasSection(text: string): boolean {
  const found = locate(text);
  return "problem" in found || found.block !== "";
}

/** Finds the names that are outside our section too, each with its first line, from 1. */
export function findOutside(text: string, names: { has(name: string): boolean }): Map<string, number> {
  const lines = new Map<string, number>();
  const found = outsideSection(text);
  if (found === undefined) return lines;
  for (const { line, names: outside } of readHostsLines(found.text)) {
    const inFile = line > found.linesBefore ? line + found.lines : line;
    for (const name of outside) if (names.has(name) && !lines.has(name)) lines.set(name, inFile);
  }
  return lines;
}

/** Returns the text outside our section, and where the section was; undefined if it is damaged. */
export function outsideSection(text: string): OutsideSection | undefined {
  const found = locate(text);
  if ("problem" in found) return undefined;
  const { before, block, after } = found;
  return { text: before + after, linesBefore: lineEnds(before), lines: lineEnds(block) };
}

/** Reads the lines that give names an address. */
export function readHostsLines(text: string): HostsLine[] {
  const lines: HostsLine[] = [];
  for (const [index, content] of text.split("\n").entries()) {
    const [address, ...names] = wordsOf(content);
    if (address === undefined || names.length === 0) continue;
    lines.push({ line: index + 1, address, names: names.map(normalizeHostname) });
  }
  return lines;
}

/**
 * Finds the parts of a file; `block` is empty without a section. A damaged section is a problem.
 */
function locate(text: string): { before: string; block: string; after: string } | { problem: BlockProblem } {
  let start = -1;
  let end = -1;
  for (const match of text.matchAll(/# (BEGIN|END) ngrokd managed section/g)) {
    const problem = (message: string) => ({ problem: { line: lineOf(text, match.index), message } });
    const newline = text.indexOf("\n", match.index);
    const rest = text.slice(match.index + match[0].length, newline === -1 ? text.length : newline);
    if (!startsLine(text, match.index) || (rest !== "" && rest !== "\r")) {
      return problem(`has other text beside the marker "${match[0]}"`);
    }
    if (match[1] === "BEGIN") {
      if (start !== -1) {
        return problem(`has a second start marker (the first is in line ${lineOf(text, start)})`);
      }
      start = match.index;
    } else {
      if (start === -1) return problem("has an end marker without a start marker");
      if (end !== -1) return problem("has a second end marker");
      end = newline === -1 ? text.length : newline + 1;
    }
  }
  if (start === -1) return { before: text, block: "", after: "" };
  if (end === -1) {
    return {
      problem: { line: lineOf(text, start), message: "has a start marker without an end marker" },
    };
  }
  return { before: text.slice(0, start), block: text.slice(start, end), after: text.slice(end) };
}

function withoutSeparator(before: string, after: string, lineEnd: string): string {
  const separator = before.endsWith(lineEnd) ? lineEnd : before.endsWith("\n") ? "\n" : "";
  const kept = before.slice(0, before.length - separator.length);
  if (bodyOf(kept) === "") return before;
  // Text after the section must not join the last line before it.
  return after === "" || kept.endsWith("\n") ? kept : before;
}

function lineEndOf(text: string): "\n" | "\r\n" {
  const newline = text.indexOf("\n");
  // A file that ends in a bare CR gets CRLF: with LF, that CR would later look like ours.
  if (newline === -1) return text.endsWith("\r") ? "\r\n" : "\n";
  return text[newline - 1] === "\r" ? "\r\n" : "\n";
}

function startsLine(text: string, index: number): boolean {
  return index === 0 || text[index - 1] === "\n" ||
    (index === BYTE_ORDER_MARK.length && text.startsWith(BYTE_ORDER_MARK));
}

function lineOf(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < index; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

function lineEnds(text: string): number {
  return lineOf(text, text.length) - 1;
}

function bodyOf(text: string): string {
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(BYTE_ORDER_MARK.length) : text;
}

/** Returns the address and names of a line; empty for a comment or a blank line. */
function wordsOf(line: string): string[] {
  const comment = line.indexOf("#");
  return (comment === -1 ? line : line.slice(0, comment)).split(/\s+/).filter((word) => word !== "");
}

/** A line of a hosts file that gives names an address. */
export interface HostsLine {
  /** From 1. */
  readonly line: number;
  /** The first word, of any form. */
  readonly address: string;
  /** Normalised. */
  readonly names: readonly string[];
}

/** A hosts file without our section. */
export interface OutsideSection {
  readonly text: string;
  /** The lines before the section; all of them without a section. */
  readonly linesBefore: number;
  /** The lines of the section, markers included. */
  readonly lines: number;
}

/** A hosts file with its new section. */
export interface ReplacedBlock {
  /** The whole file. */
  readonly text: string;
  /** The old section, markers included; empty if there was none. */
  readonly oldBlock: string;
  /** The new section, markers included; empty if there is none. */
  readonly block: string;
}

/** The reason why a hosts file cannot be edited: a line (from 1), and the fault of that line. */
export interface BlockProblem {
  readonly line: number;
  readonly message: string;
}
