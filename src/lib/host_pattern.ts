import { parentDomains } from "./hostname.ts";

/**
 * Returns true if a normalised name is one of the patterns: a name, or `*.suffix` for all names
 * below it at any depth, but not the suffix itself.
 */
export function matchesHostPattern(name: string, patterns: readonly string[]): boolean {
  return patterns.includes(name) ||
    parentDomains(name).some((parent) => patterns.includes(`*.${parent}`));
}
