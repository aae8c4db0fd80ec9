// Texts have one character per byte (latin1), so that bytes of any encoding survive.

/** The line before ours, as the Go daemon writes it (docs/compatibility.md 4.10). */
const MARKER = "# ngrokd managed - do not edit this line";

const OUR_LINES = new RegExp(
  `^${MARKER}[ \\t\\r]*(?:\\n(?:nameserver[ \\t][^\\n]*\\n?)?|(?![^]))`,
  "gm",
);

const MARKER_LINES = new RegExp(`^${MARKER}[ \\t\\r]*(?:\\n|(?![^]))`, "gm");

const NAMESERVERS = /^nameserver[ \t]+([^\s#;]+)[^\n]*\n?/gm;

/** The addresses of systemd-resolved itself (systemd-resolved.service(8)). */
const STUBS: readonly string[] = ["127.0.0.53", "127.0.0.54"];

/**
 * Returns the file with our server before all others, or without it; every other byte is kept. A
 * program may have moved or removed our marker, so that the address that we wrote counts, if known.
 */
export function replaceServer(
  text: string,
  address: string | undefined,
  options: { readonly written?: string | undefined } = {},
): string {
  const { written } = options;
  const isThere = written !== undefined &&
    text.matchAll(NAMESERVERS).some(([, server]) => server === written);
  const others = isThere
    ? text.replace(MARKER_LINES, "").replace(NAMESERVERS, (line, server) => server === written ? "" : line)
    : text.replace(OUR_LINES, "");
  return address === undefined ? others : `${MARKER}\nnameserver ${address}\n${others}`;
}

/** Returns true if our lines are in the file. */
export function hasServer(text: string): boolean {
  return replaceServer(text, undefined) !== text;
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
