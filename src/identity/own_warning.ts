import { expiryText, isoTime, type Validity, validityProblem } from "../x509/expiry.ts";
import { decideRenewal } from "./renewal.ts";

/**
 * What is to be said of our own certificate beside why its renewal failed: that it has expired, or that it is still the old one after the
 * first tenth of the window, in which it should have been renewed.
 */
export function ownWarning(
  life: Validity,
  options: { nowMs: number; hasFailed: boolean },
): string | undefined {
  const { nowMs, hasFailed } = options;
  const refused = validityProblem(life, nowMs);
  if (nowMs > life.notAfter) return `It ${refused}: the ingress refuses new connections until it is renewed`;
  const { dueAt } = decideRenewal(life, nowMs, { spread: hasFailed ? 0 : 1 });
  if (nowMs < dueAt) return undefined;
  return `It is overdue for renewal since ${isoTime(dueAt)}, and expires on ${expiryText(life, nowMs)}`;
}
