import { expiryText, isNearExpiry } from "../x509/expiry.ts";
import type { ParsedCertificate } from "../x509/parse_certificate.ts";
import type { TrustedCa } from "./trusted_ca.ts";

/** Warnings about trusted CAs, and certificates of the ingress, that expire soon. */
export function trustWarnings(cas: readonly TrustedCa[], options: WarningOptions): string[] {
  const { presented, nowMs } = options;
  const known = new Set(cas.map(({ certificate }) => certificate.sha256));
  const isNear = (certificate: ParsedCertificate) => isNearExpiry(certificate, nowMs);
  return [
    ...cas.filter(({ certificate }) => isNear(certificate)).map(({ certificate, source, file }) =>
      `The CA "${certificate.subject}" of ${file} expires on ${expiryText(certificate, nowMs)} (${
        source === "learnt"
          ? "Install a version of ngrokd that knows its successor"
          : "Add its successor to that file or /etc/ssl/certs/ngrok/, and send ngrokd a SIGHUP"
      })`
    ),
    ...presented.filter((certificate) => isNear(certificate) && !known.has(certificate.sha256)).map(
      (certificate) =>
        `The ingress presents ${
          certificate === presented[0] ? "a certificate" : `the CA "${certificate.subject}"`
        }, which expires on ${expiryText(certificate, nowMs)} (The operator of the ingress must renew it)`,
    ),
  ];
}

/** Options of {@linkcode trustWarnings}. */
export interface WarningOptions {
  /** The certificates of the ingress, its own first; empty if it was refused. */
  readonly presented: readonly ParsedCertificate[];
  readonly nowMs: number;
}
