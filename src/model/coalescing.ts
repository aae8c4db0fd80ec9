import { withoutWildcard } from "../lib/hostname.ts";

/**
 * Returns the domains that a name shares with every other name for which one certificate could be:
 * a certificate for `*.apps.example.com` is for all names one label below it, and often for
 * `apps.example.com` too. Browsers accept no wildcard of a registry's domain, such as `*.co.uk`, or
 * of a single label.
 */
export function certificateDomains(hostname: string, options: CertificateOptions): string[] {
  const name = withoutWildcard(hostname);
  const parent = name === hostname ? name.slice(name.indexOf(".") + 1) : name;
  return [...new Set([parent, name])].filter((domain) =>
    domain.includes(".") && !options.isRegistrySuffix(domain)
  );
}

/** Options of {@linkcode certificateDomains}. */
export interface CertificateOptions {
  /** Returns true for a domain under which anybody can register one: `com`, `co.uk`. */
  readonly isRegistrySuffix: (domain: string) => boolean;
}
