import type { CertificateInfo } from "./certificate.ts";

/** What is to be done about a certificate. */
export interface RenewalDecision {
  readonly action: "keep" | "renew";
  /** When it is or was due, milliseconds since the epoch. */
  readonly dueAt: number;
}

const SKEW_MS = 24 * 3600_000;

/**
 * Whether a certificate is due: a third of its life or less is left, or it begins more than a day ahead. (Less than that is a clock that
 * is slow: the cloud does not back-date, PROTOCOL.md 1.6.)
 */
export function decideRenewal(
  info: Pick<CertificateInfo, "notBefore" | "notAfter">,
  nowMs: number,
): RenewalDecision {
  const { notBefore, notAfter } = info;
  if (notBefore - nowMs > SKEW_MS) return { action: "renew", dueAt: nowMs };
  const dueAt = notAfter - Math.max(0, notAfter - notBefore) / 3;
  return { action: nowMs >= dueAt ? "renew" : "keep", dueAt };
}
