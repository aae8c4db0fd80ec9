import { expiryText, isoTime, type Validity, validityProblem } from "../x509/expiry.ts";
import { decideRenewal } from "./renewal.ts";

/**
 * Returns the warning of `status` about the client certificate: it has expired, or it is overdue
 * because the renewal failed or the first tenth of the window is over. Undefined if all is well.
 */
export function certificateWarning(
  validity: Validity,
  options: { nowMs: number; hasFailed: boolean },
): string | undefined {
  const { nowMs, hasFailed } = options;
  if (nowMs > validity.notAfter) {
    return `It ${validityProblem(validity, nowMs)}: the ingress refuses new connections until it is renewed`;
  }
  const { dueAt } = decideRenewal(validity, nowMs, { spread: hasFailed ? 0 : 1 });
  if (nowMs < dueAt) return undefined;
  return `Renewal overdue since ${isoTime(dueAt)}; the certificate expires on ${expiryText(validity, nowMs)}`;
}
