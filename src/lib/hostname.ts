const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const NUMERIC = /^(?:0x[0-9a-f]*|[0-9]+)$/;

/** Normalises a name: ASCII letters in lower case (RFC 4343), without the final dot. */
export function normalizeHostname(name: string): string {
  // toLowerCase() on the whole name would turn the Kelvin sign into "k".
  const lower = name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

/**
 * Returns true if a normalised name is a host name for a hosts file or a DNS answer: 1 to 253
 * octets, labels of 1 to 63 letters, digits, hyphens and underscores, no hyphen at a label's ends,
 * last label not a number (RFC 1123 2.1; underscores are common in practice).
 */
export function isHostname(name: string): boolean {
  if (name.length === 0 || name.length > 253) return false;
  const labels = name.split(".");
  return labels.every((label) => LABEL.test(label)) && !NUMERIC.test(labels.at(-1) ?? "");
}

/** Returns true if a normalised name is `*.` and a host name. */
export function isWildcard(name: string): boolean {
  return name.startsWith("*.") && isHostname(name.slice(2));
}

/** Returns the suffixes of a name without its first label, longest first: `a.b.c` → `b.c`, `c`. */
export function parentDomains(name: string): string[] {
  const parents: string[] = [];
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    parents.push(name.slice(dot + 1));
  }
  return parents;
}

/** Returns true if a normalised name is one of these, or below the suffix of a `*.suffix`. */
export function isListed(name: string, patterns: readonly string[]): boolean {
  const listed = new Set(patterns);
  return listed.has(name) || parentDomains(name).some((parent) => listed.has(`*.${parent}`));
}

/** Returns true if a name is below a domain, both normalised. */
export function isBelow(name: string, domain: string): boolean {
  return name.endsWith(domain) && name[name.length - domain.length - 1] === ".";
}

/** Returns the suffix of a wildcard, and any other name as it is. */
export function withoutWildcard(name: string): string {
  return name.startsWith("*.") ? name.slice(2) : name;
}
