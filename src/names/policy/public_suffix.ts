import { isBelow } from "../../lib/hostname.ts";

/** Domains that belong to nobody, for examples (RFC 2606 3). */
const EXAMPLE_DOMAINS = ["example.com", "example.net", "example.org"];
/** Top-level domains that ICANN does not delegate (RFC 6761, RFC 6762, and its own decision). */
const PRIVATE_TOP_LEVEL = ["internal", "test", "example", "invalid", "local", "localhost", "lan", "onion"];

const OPTIONS = { extractHostname: false, validateHostname: false, detectIp: false } as const;

/** The public suffix list. */
export interface PublicSuffixes {
  /** Returns true for a public suffix, of a registry or of a company: `co.uk`, `github.io`. */
  isSuffix(domain: string): boolean;
  /** Returns true for a name, or the suffix of a wildcard, below a suffix that ICANN manages. */
  isPublic(domain: string): boolean;
}

/** Returns true if the list is needed to judge a name or wildcard. */
export function needsSuffixes(name: string): boolean {
  const bare = name.startsWith("*.") ? name.slice(2) : name;
  const lastDot = bare.lastIndexOf(".");
  return lastDot !== -1 && !PRIVATE_TOP_LEVEL.includes(bare.slice(lastDot + 1)) && !isExample(bare);
}

/** Loads the list on first use: it is large, and many names are below private domains. */
export async function loadPublicSuffixes(): Promise<PublicSuffixes> {
  const { parse } = await import("tldts");
  const suffixOf = (domain: string, allowPrivateDomains: boolean) =>
    parse(domain, { ...OPTIONS, allowPrivateDomains }).publicSuffix;
  return {
    isSuffix: (domain) => [false, true].some((withPrivate) => suffixOf(domain, withPrivate) === domain),
    isPublic: (domain) => !isExample(domain) && parse(domain, OPTIONS).isIcann === true,
  };
}

function isExample(domain: string): boolean {
  return EXAMPLE_DOMAINS.some((example) => domain === example || isBelow(domain, example));
}
