import { isBelow, withoutWildcard } from "../../lib/hostname.ts";

/** Domains that belong to nobody, for examples (RFC 2606 3). */
const EXAMPLE_DOMAINS = ["example.com", "example.net", "example.org"];
/** Top-level domains that ICANN does not delegate (RFC 6761, RFC 6762, and its own decision). */
const PRIVATE_TOP_LEVEL = ["internal", "test", "example", "invalid", "local", "localhost", "lan", "onion"];

const OPTIONS = { extractHostname: false, validateHostname: false, detectIp: false } as const;

/** The public suffix list. */
export interface PublicSuffixes {
  /** The reason to refuse a wildcard of a suffix. */
  readonly wildcardReason: string;
  /** Returns true for a public suffix, of a registry or of a company: `co.uk`, `github.io`. */
  isSuffix(domain: string): boolean;
  /** Returns true for a suffix that ICANN manages: `com`, `co.uk`. */
  isRegistrySuffix(domain: string): boolean;
  /** Returns true for a name, or the suffix of a wildcard, below a suffix that ICANN manages. */
  isPublic(domain: string): boolean;
  /** Returns the domain that its owner has registered, below a suffix that ICANN manages. */
  registrableDomain(domain: string): string | undefined;
}

/** Returns true if the list is needed to judge a name or wildcard. */
export function needsSuffixes(name: string): boolean {
  const bare = withoutWildcard(name);
  const lastDot = bare.lastIndexOf(".");
  return lastDot !== -1 && !PRIVATE_TOP_LEVEL.includes(bare.slice(lastDot + 1)) && !isExample(bare);
}

/** Loads the list on first use: it is large, and many names are below private domains. */
export async function loadPublicSuffixes(): Promise<PublicSuffixes> {
  const { parse } = await import("tldts");
  const suffixOf = (domain: string, allowPrivateDomains: boolean) =>
    parse(domain, { ...OPTIONS, allowPrivateDomains }).publicSuffix;
  return {
    wildcardReason: "is a wildcard of a whole public suffix",
    isSuffix: (domain) => [false, true].some((withPrivate) => suffixOf(domain, withPrivate) === domain),
    isRegistrySuffix(domain) {
      const { publicSuffix, isIcann } = parse(domain, OPTIONS);
      return isIcann === true && publicSuffix === domain;
    },
    isPublic: (domain) => needsSuffixes(domain) && parse(domain, OPTIONS).isIcann === true,
    registrableDomain: (domain) => parse(domain, OPTIONS).domain ?? undefined,
  };
}

/**
 * Stands for a list that cannot be loaded: each domain of two labels could be a suffix, and each
 * name that is not private could be public.
 */
export const UNKNOWN_SUFFIXES: PublicSuffixes = {
  wildcardReason: "may be a wildcard of a whole public suffix, whose list cannot be loaded",
  isSuffix: (domain) => needsSuffixes(domain) && domain.split(".").length === 2,
  isRegistrySuffix: () => false,
  isPublic: needsSuffixes,
  registrableDomain: (domain) => domain.split(".").slice(-2).join("."),
};

function isExample(domain: string): boolean {
  return EXAMPLE_DOMAINS.some((example) => domain === example || isBelow(domain, example));
}
