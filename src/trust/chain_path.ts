import type { ParsedCertificate } from "../x509/parse_certificate.ts";
import type { TrustedCa } from "./trusted_ca.ts";

/** A path from a server's certificate upwards. */
export interface ChainPath {
  /** The server's own certificate first, without the trusted CA. Never empty. */
  readonly path: readonly ParsedCertificate[];
  /** The trusted CA at its end; undefined if the path does not lead to one. */
  readonly ca: TrustedCa | undefined;
}

/** Finds the path from the first certificate of a chain to one of the CAs. */
export function findPath(
  chain: readonly [ParsedCertificate, ...ParsedCertificate[]],
  cas: readonly TrustedCa[],
): ChainPath {
  const path: ParsedCertificate[] = [chain[0]];
  for (;;) {
    const last = path.at(-1)!;
    for (const ca of cas) {
      if (isIssuer(ca.certificate, last)) return { path, ca };
    }
    let above: ParsedCertificate | undefined;
    for (const candidate of chain) {
      if (path.includes(candidate) || !candidate.isCa) continue;
      if (isIssuer(candidate, last)) above = candidate;
      if (above !== undefined) break;
    }
    if (above === undefined) return { path, ca: undefined };
    path.push(above);
  }
}

/**
 * Returns true if `issuer` has signed `subject`. A signature that cannot be checked here is
 * accepted, since the runtime's TLS checks it again.
 */
export function isIssuer(issuer: ParsedCertificate, subject: ParsedCertificate): boolean {
  return issuer.subjectDer === subject.issuerDer && subject.isSignedBy(issuer) !== false;
}
