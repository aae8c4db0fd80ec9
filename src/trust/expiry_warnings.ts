import { endOf, isNearEnd } from "../x509/expiry.ts";
import type { Anchor } from "./judge_chain.ts";
import type { SeenCertificate } from "../x509/seen_certificate.ts";

/** What the warnings are about, beside the CAs. */
export interface WarningOptions {
  /** What the ingress presented, its own first; empty if it was refused. */
  readonly presented: readonly SeenCertificate[];
  readonly nowMs: number;
}

/** What is near its end: CAs that are trusted, and certificates that the ingress presents. */
export function trustWarnings(anchors: readonly Anchor[], options: WarningOptions): string[] {
  const { presented, nowMs } = options;
  const known = new Set(anchors.map(({ certificate }) => certificate.sha256));
  const isNear = (certificate: SeenCertificate) => isNearEnd(certificate, nowMs);
  return [
    ...anchors.filter(({ certificate }) => isNear(certificate)).map(({ certificate, source, file }) =>
      `The CA "${certificate.subject}" of ${file} expires on ${endOf(certificate, nowMs)} (${
        source === "learnt"
          ? "Install a version of ngrokd that knows its successor"
          : "Add its successor to that file or /etc/ssl/certs/ngrok/, and send ngrokd a SIGHUP"
      })`
    ),
    ...presented.filter((certificate) => isNear(certificate) && !known.has(certificate.sha256)).map(
      (certificate) =>
        `The ingress presents ${
          certificate === presented[0] ? "a certificate" : `the CA "${certificate.subject}"`
        }, which expires on ${endOf(certificate, nowMs)} (Whoever runs the ingress must renew it)`,
    ),
  ];
}
