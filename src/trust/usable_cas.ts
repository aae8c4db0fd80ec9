import { validityProblem } from "../x509/expiry.ts";
import type { TrustedCa, UnusableCa } from "./judge_chain.ts";

/** Parts what may be verified with now from what may not; the TLS of the runtime would look at neither dates nor basicConstraints of an ca. */
export function splitUsable(
  cas: readonly TrustedCa[],
  nowMs: number,
): { usable: TrustedCa[]; unusable: UnusableCa[] } {
  const usable: TrustedCa[] = [];
  const unusable: UnusableCa[] = [];
  for (const ca of cas) {
    const why = whyNot(ca, nowMs);
    if (why === undefined) usable.push(ca);
    else unusable.push({ ca, why });
  }
  return { usable, unusable };
}

/** What is to be said of one that does not count, and the next step. */
export function unusableText({ ca: { certificate, source, file }, why }: UnusableCa): string {
  const next = source === "learnt"
    ? "See what the ingress presents now: ngrokctl trust show; if it has a new CA, a new version of ngrokd knows it"
    : `Replace it in ${file} and send ngrokd a SIGHUP`;
  return `The CA "${certificate.subject}" (SHA-256 ${certificate.sha256}) of ${file} ${why}, and is not used (${next})`;
}

function whyNot({ certificate, source }: TrustedCa, nowMs: number): string | undefined {
  // Somebody may trust a server's certificate that has signed itself, which verifies exactly that server.
  const isOwnSigner = source !== "learnt" && certificate.subjectDer === certificate.issuerDer;
  if (!certificate.isCa && !isOwnSigner) return "is not a CA, so that nothing verifies with it";
  return validityProblem(certificate, nowMs);
}
