/**
 * What `resolvectl dns <link>` and `resolvectl domain <link>` print of one link: `Link 5 (ngrokd0): a b`, and where a line gets too long, the
 * rest on indented lines (systemd 250 and later). Empty if nothing is set.
 *
 * @throws {SyntaxError} If it is not that.
 */
export function parseLinkValues(output: string): string[] {
  const match = /^Link [0-9]+ \([^)\n]*\):(.*(?:\n[ \t]+.*)*)\s*$/.exec(output);
  if (match === null) {
    throw new SyntaxError(`Cannot read ${JSON.stringify(output.slice(0, 200))}: it names no link`);
  }
  return match[1]!.split(/\s+/).filter((value) => value !== "");
}

/**
 * Whether systemd-resolved sends anything to the servers of a link, by what `resolvectl status <link>` prints. It does not where the link
 * has no carrier, or no address with a scope wider than `link`, and takes settings for it all the same.
 */
export function hasDnsScope(output: string): boolean {
  const match = /^[ \t]*Current Scopes:?[ \t]+(.*)$/m.exec(output);
  return match !== null && match[1]!.split(/\s+/).includes("DNS");
}
