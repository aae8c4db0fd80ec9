import type { CaReport, TrustReport } from "../model/report.ts";
import { safeText } from "./safe_text.ts";

/** What each mode of trust means. */
export const TRUST_MODES: Readonly<Record<TrustReport["mode"], string>> = {
  roots: "built-in roots",
  directory: "/etc/ssl/certs/ngrok",
  ingress_ca: "server.ingress_ca",
  learnt: "learnt CA",
  none: "none verifies yet",
};

/** The text of `ngrokctl trust show`. */
export function renderTrust(report: TrustReport): string {
  const { mode, cas, problems, warnings } = report;
  const lines = [
    `In use: ${TRUST_MODES[mode]}`,
    "",
    "Trusted beside the built-in roots:",
    ...(cas.length === 0 ? ["  none"] : cas.flatMap((ca) => describe(ca, ca.file ?? ""))),
    "",
    ...seenLines(report),
    ...[...problems, ...warnings].map((problem) => `⚠ ${problem}`),
  ];
  return lines.map((line) => `${safeText(line)}\n`).join("");
}

function seenLines({ presented, look_error }: TrustReport): string[] {
  if (presented === null && look_error === null) return ["The ingress has not been looked at yet."];
  return [
    ...(look_error === null ? [] : [`⚠ The last look at the ingress failed: ${look_error}`]),
    ...(presented === null ? [] : [
      `Presented by ${presented.target} at ${presented.at}:`,
      ...presented.certificates.flatMap((seen) => describe(seen, seen.trusted ? "trusted" : "")),
      ...presented.problems.map((problem) => `  ⚠ The certificate ${problem}`),
    ]),
  ];
}

function describe({ subject, issuer, sha256, valid_until, days_left }: CaReport, note: string): string[] {
  const left = days_left < 0 ? "expired" : `${days_left} days left`;
  return [
    `  ${subject}${note === "" ? "" : ` (${note})`}`,
    `    Issuer:  ${issuer}`,
    `    SHA-256: ${sha256}`,
    `    Until:   ${valid_until} (${left})`,
  ];
}
