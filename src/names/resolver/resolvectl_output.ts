/**
 * Parses the values that `resolvectl dns <link>` or `resolvectl domain <link>` prints for one link:
 * `Link 5 (ngrokd0): a b`. Since systemd 250, a long list continues on indented lines. Empty if
 * nothing is set.
 *
 * @throws {SyntaxError} If it is other output.
 */
export function parseLinkValues(output: string): string[] {
  // Line by line: one pattern for all lines would take exponential time for some output.
  const [first = "", ...others] = output.trimEnd().split("\n");
  const match = /^Link [0-9]+ \([^)]*\):(.*)$/.exec(first);
  if (match === null || !others.every((line) => /^[ \t]/.test(line))) {
    throw new SyntaxError(`Cannot read ${JSON.stringify(output.slice(0, 200))}: it names no link`);
  }
  return [match[1]!, ...others].join(" ").split(/\s+/).filter((value) => value !== "");
}

/**
 * Returns true if systemd-resolved sends queries to the servers of a link, by the output of
 * `resolvectl status <link>`. It sends none over a link without a carrier or without an address of
 * a scope wider than `link`, but still accepts settings for it.
 */
export function hasDnsScope(output: string): boolean {
  const match = /^[ \t]*Current Scopes:?[ \t]+(.*)$/m.exec(output);
  return match !== null && match[1]!.split(/\s+/).includes("DNS");
}
