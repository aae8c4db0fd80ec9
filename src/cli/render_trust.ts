import { escapeControls } from "../lib/printable.ts";
import { inWords } from "../x509/expiry.ts";
import type { CaReport, TrustReport } from "../model/report.ts";

/** The modes of trust as text. */
export const TRUST_MODES: Readonly<Record<TrustReport["mode"], string>> = {
  roots: "built-in roots",
  directory: "/etc/ssl/certs/ngrok",
  ingress_ca: "server.ingress_ca",
  learnt: "learnt CA",
  none: "no CA yet",
};

/** Renders the text of `ngrokctl trust show`. */
export function renderTrust(report: TrustReport): string {
  const { mode, cas, problems, warnings } = report;
  const lines = [
    `In use: ${TRUST_MODES[mode]}`,
    "",
    "Trusted in addition to the built-in roots:",
    ...(cas.length === 0 ? ["  none"] : cas.flatMap((ca) => describe(ca, ca.file ?? ""))),
    "",
    ...presentedLines(report),
    ...[...problems, ...warnings].map((problem) => `⚠ ${problem}`),
  ];
  return lines.map((line) => `${escapeControls(line)}\n`).join("");
}

/** Returns the rest of a certificate's validity; `until` is in RFC 3339 format. */
export function timeLeft(daysLeft: number, until: string): string {
  if (daysLeft < 0) return "expired";
  return `${daysLeft >= 2 ? `${Math.floor(daysLeft)} days` : inWords(Date.parse(until) - Date.now())} left`;
}

function presentedLines({ presented, look_error }: TrustReport): string[] {
  if (presented === null && look_error === null) {
    return ["The certificates of the ingress are not known yet."];
  }
  return [
    ...(look_error === null ? [] : [`⚠ The last probe of the ingress failed: ${look_error}`]),
    ...(presented === null ? [] : [
      `Presented by ${presented.target} at ${presented.at}:`,
      ...presented.certificates.flatMap((ca) => describe(ca, ca.trusted ? "trusted" : "")),
      ...presented.problems.map((problem) => `  ⚠ The certificate ${problem}`),
    ]),
  ];
}

function describe({ subject, issuer, sha256, valid_until, days_left }: CaReport, note: string): string[] {
  return [
    `  ${subject}${note === "" ? "" : ` (${note})`}`,
    `    Issuer:  ${issuer}`,
    `    SHA-256: ${sha256}`,
    `    Until:   ${valid_until} (${timeLeft(days_left, valid_until)})`,
  ];
}
