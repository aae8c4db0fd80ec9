import { isHostname, normalizeHostname } from "../../lib/hostname.ts";
import { parseIpv4 } from "../../lib/ipv4.ts";

/** Reads a line that gives names an address; undefined for any other. */
export function readEntry(line: string): HostsEntry | undefined {
  const comment = line.indexOf("#");
  const content = (comment === -1 ? line : line.slice(0, comment)).trim();
  if (content === "") return undefined;
  const [address, ...names] = content.split(/\s+/);
  return names.length === 0 ? undefined : { address: address!, names: names.map(normalizeHostname) };
}

/** Reads a line that somebody has turned into a comment; undefined for any other. */
export function readDisabledEntry(line: string): HostsEntry | undefined {
  const content = line.replace(/^[\s#]*/, "");
  return line.slice(0, line.length - content.length).includes("#") ? readEntry(content) : undefined;
}

/** Returns the line without some of its names; its comment and line end stay. */
export function removeNames(line: string, isRemoved: (name: string) => boolean): string {
  const comment = line.indexOf("#");
  const end = comment === -1 ? line.length : comment;
  let kept = "";
  let blank = "";
  for (const part of line.slice(0, end).match(/\s+|\S+/g) ?? []) {
    if (part.trim() === "") blank = part;
    else if (kept !== "" && isRemoved(normalizeHostname(part))) blank = "";
    else {
      kept += blank + part;
      blank = "";
    }
  }
  return kept + blank + line.slice(end);
}

/** Returns true for one name with an IPv4 address, as ngrokd writes it. */
export function isOwnForm({ address, names }: HostsEntry): boolean {
  return names.length === 1 && isHostname(names[0]!) && parseIpv4(address) !== undefined;
}

/** Returns true for a line of ngrokd's form: an address of 127/8 and a name with a dot. */
export function isLoopbackLine(line: string): boolean {
  const [, address, name] = /^(127\.[0-9.]+)\t([^\s#]+\.[^\s#]+)\r?\n?$/.exec(line) ?? [];
  return name !== undefined && normalizeHostname(name) === name &&
    isOwnForm({ address: address!, names: [name] });
}

/** The content of a line without its comment. */
export interface HostsEntry {
  /** The first word, of any form. */
  readonly address: string;
  /** Normalised. */
  readonly names: readonly string[];
}
