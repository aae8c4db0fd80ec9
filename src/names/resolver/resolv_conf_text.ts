// Texts have one character per byte (latin1), so that bytes of any encoding survive.

/** The line before ours, as the Go daemon writes it (docs/compatibility.md 4.10). */
const MARKER = "# ngrokd managed - do not edit this line";

const OUR_LINES = new RegExp(
  `^${MARKER}[ \\t\\r]*(?:\\n(?:nameserver[ \\t][^\\n]*\\n?)?|(?![^]))`,
  "gm",
);

const NAMESERVERS = /^nameserver[ \t]+([^\s#;]+)[^\n]*\n?/gm;

/** The addresses of systemd-resolved itself (systemd-resolved.service(8)). */
const STUBS: readonly string[] = ["127.0.0.53", "127.0.0.54"];

/**
 * Returns the file with our server before all others, or without it; every other byte is kept. A
 * program may have moved or removed our marker, so that the address that we wrote counts, if known.
 */
export function replaceServer(text: string, address: string | undefined, options: OwnServer = {}): string {
  const others = withoutServer(text, options);
  return address === undefined ? others : `${MARKER}\nnameserver ${address}\n${others}`;
}

/** Returns true if our lines are in the file. */
export function hasServer(text: string, own: OwnServer = {}): boolean {
  return withoutServer(text, own) !== text;
}

/** The record by which our line is recognised. */
export interface OwnServer {
  /** The address in our line; undefined if it is not known, or if others have such a line. */
  readonly written?: string | undefined;
  /** The address before it, which our line has if the last write failed. */
  readonly earlier?: string | undefined;
}

/**
 * Without a record, the line behind our marker is ours. With one, it is if it has that address;
 * otherwise it is the first line with the address. Without a marker others may have written that
 * line, so that it stays if it is the only one: a machine without a server resolves nothing.
 */
function withoutServer(text: string, { written, earlier }: OwnServer): string {
  if (written === undefined) return text.replace(OUR_LINES, "");
  let [hasMarker, isFound] = [false, false];
  const unmarked = text.replace(OUR_LINES, (lines) => {
    hasMarker = true;
    const behind = lines.slice(lines.indexOf("\n") + 1 || lines.length);
    const [[, server] = []] = behind.matchAll(NAMESERVERS);
    const isOurs = server !== undefined && (server === written || server === earlier);
    isFound ||= isOurs;
    return isOurs ? "" : behind;
  });
  if (isFound) return unmarked;
  const servers = [...unmarked.matchAll(NAMESERVERS)];
  const own = servers.find(([, server]) => server === written);
  if (own === undefined || (!hasMarker && servers.length === 1)) return unmarked;
  return unmarked.slice(0, own.index) + unmarked.slice(own.index + own[0].length);
}

/** Reads the addresses of a resolv.conf(5) in their order, without ours. */
export function readNameservers(text: string): string[] {
  return [...replaceServer(text, undefined).matchAll(/^nameserver[ \t]+([^\s#;]+)/gm)].map((match) =>
    match[1]!
  );
}

/** Returns true if systemd-resolved itself answers on the address. */
export function isStub(address: string): boolean {
  return STUBS.includes(address);
}
