import { validityProblem } from "../x509/expiry.ts";
import type { ParsedCertificate } from "../x509/parse_certificate.ts";

/** A CA that is trusted in addition to the runtime's own. */
export interface TrustedCa {
  readonly certificate: ParsedCertificate;
  readonly source: TrustSource;
  readonly file: string;
}

/** The origin of a trusted CA. */
export type TrustSource = "directory" | "ingress_ca" | "learnt";

/** A trusted CA that cannot be used now. */
export interface UnusableCa {
  readonly ca: TrustedCa;
  /** Continues a sentence that begins with its name. */
  readonly reason: string;
}

/**
 * Separates the CAs that can be used now from the others. The runtime's TLS would check neither
 * dates nor basicConstraints of a trusted CA.
 */
export function splitUsable(
  cas: readonly TrustedCa[],
  nowMs: number,
): { usable: TrustedCa[]; unusable: UnusableCa[] } {
  const usable: TrustedCa[] = [];
  const unusable: UnusableCa[] = [];
  for (const ca of cas) {
    const reason = unusableReason(ca, nowMs);
    if (reason === undefined) usable.push(ca);
    else unusable.push({ ca, reason });
  }
  return { usable, unusable };
}

/** Returns the problem of an unusable CA, and the next step. */
export function unusableText({ ca: { certificate, source, file }, reason }: UnusableCa): string {
  const next = source === "learnt"
    ? "See the ingress's certificates: ngrokctl trust show; if its CA is new, install a version of ngrokd that knows it"
    : `Replace it in ${file} and send ngrokd a SIGHUP`;
  return `The CA "${certificate.subject}" (SHA-256 ${certificate.sha256}) of ${file} ${reason} (${next})`;
}

function unusableReason({ certificate, source }: TrustedCa, nowMs: number): string | undefined {
  // A user may trust a self-signed certificate of a server, which verifies only that server.
  const isSelfSigned = source !== "learnt" && certificate.subjectDer === certificate.issuerDer;
  return certificate.isCa || isSelfSigned ? validityProblem(certificate, nowMs) : "is not a CA";
}
