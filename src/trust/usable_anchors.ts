import { outsideDates } from "../x509/expiry.ts";
import type { Anchor, Unusable } from "./judge_chain.ts";

/** Parts what may be verified with now from what may not; the TLS of the runtime would look at neither dates nor basicConstraints of an anchor. */
export function partAnchors(
  anchors: readonly Anchor[],
  nowMs: number,
): { usable: Anchor[]; unusable: Unusable[] } {
  const usable: Anchor[] = [];
  const unusable: Unusable[] = [];
  for (const anchor of anchors) {
    const why = whyNot(anchor, nowMs);
    if (why === undefined) usable.push(anchor);
    else unusable.push({ anchor, why });
  }
  return { usable, unusable };
}

/** What is to be said of one that does not count, and the next step. */
export function unusableText({ anchor: { certificate, source, file }, why }: Unusable): string {
  const next = source === "learnt"
    ? "See what the ingress presents now: ngrokctl trust show; if it has a new CA, a new version of ngrokd knows it"
    : `Replace it in ${file} and send ngrokd a SIGHUP`;
  return `The CA "${certificate.subject}" (SHA-256 ${certificate.sha256}) of ${file} ${why}, and is not used (${next})`;
}

function whyNot({ certificate, source }: Anchor, nowMs: number): string | undefined {
  // Somebody may trust a server's certificate that has signed itself, which verifies exactly that server.
  const isOwnSigner = source !== "learnt" && certificate.subjectDer === certificate.issuerDer;
  if (!certificate.isCa && !isOwnSigner) return "is not a CA, so that nothing verifies with it";
  return outsideDates(certificate, nowMs);
}
