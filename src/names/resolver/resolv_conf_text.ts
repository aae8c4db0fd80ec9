// The functions of this file work on text with one character per byte (latin1), so that bytes in any encoding come back as they were.

/** The line before ours; the Go daemon writes the same (COMPAT.md 4.10). */
const MARK = "# ngrokd managed - do not edit this line";

const OURS = new RegExp(
  `^${MARK}[ \\t\\r]*(?:\\n(?:nameserver[ \\t]+([^\\s#;]*)[^\\n]*\\n?)?|(?![^]))`,
  "gm",
);

/** The addresses where systemd-resolved itself listens, on every machine where it answers (systemd-resolved.service(8)). */
const STUBS: readonly string[] = ["127.0.0.53", "127.0.0.54"];

/** The file with our server before all others, or without it; every other byte as it was. */
export function replaceServer(text: string, address: string | undefined): string {
  const others = text.replace(OURS, "");
  return address === undefined ? others : `${MARK}\nnameserver ${address}\n${others}`;
}

/** The address that stands in our line; undefined if there is none. */
export function readServer(text: string): string | undefined {
  return text.matchAll(OURS).next().value?.[1];
}

/** The addresses of a resolv.conf(5) in their order, ours left out. */
export function readNameservers(text: string): string[] {
  return [...replaceServer(text, undefined).matchAll(/^nameserver[ \t]+([^\s#;]+)/gm)].map((match) =>
    match[1]!
  );
}

/** Whether the address is one of systemd-resolved's own. */
export function isStub(address: string): boolean {
  return STUBS.includes(address);
}
