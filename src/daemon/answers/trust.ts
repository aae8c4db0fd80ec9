import { trustWarnings } from "../../trust/expiry_warnings.ts";
import type { TrustedCa } from "../../trust/trusted_ca.ts";
import { readPem } from "../../x509/pem.ts";
import { parseCertificate, type ParsedCertificate } from "../../x509/parse_certificate.ts";
import { RequestError } from "../../control/protocol.ts";
import { messageOf } from "../../model/errors.ts";
import type { CaReport, StatusReport, TrustReport } from "../../model/report.ts";
import type { Daemon } from "../daemon.ts";
import { isSameTarget } from "../../model/ingress_target.ts";
import { withHint } from "../../trust/trust_set.ts";

const DAY_MS = 86_400_000;

/** What `status` says of trust. */
export function trustStatus({ trust, dialer, ingress }: Daemon): StatusReport["trust"] {
  const { presented: seen, failure } = dialer.probe;
  const target = ingress();
  const isCurrent = seen !== undefined && isSameTarget(seen.target, target);
  const wasGood = isCurrent && seen.verdict.reasons.length === 0;
  // Since the look a CA may have been forgotten, or its file changed.
  const ca = wasGood ? trust.cas.find((known) => isSame(known, seen.verdict.ca)) : undefined;
  const isGood = wasGood && (ca !== undefined || seen.verdict.ca === undefined);
  return {
    ...trust.report,
    warnings: trustWarnings(trust.cas, { presented: isGood ? seen.chain : [], nowMs: Date.now() }),
    mode: isGood ? ca?.source ?? "roots" : "none",
    ca: ca === undefined ? null : caReport(ca.certificate, ca),
    issuer: seen?.chain[0]?.issuer ?? null,
    presented: seen === undefined ? null : {
      target: `${seen.target.hostname}:${seen.target.port}`,
      at: new Date(seen.at).toISOString(),
      problems: [...seen.verdict.reasons],
      certificates: seen.chain.map((certificate) => ({
        ...caReport(certificate),
        trusted: isKnown(certificate, trust.cas),
      })),
    },
    look_error: failure === undefined || !isSameTarget(failure.target, target) ? null : withHint(failure),
  };
}

/** The answer of `trust show`, after a look at the ingress, unless the last one was a moment ago. */
export async function showTrust(daemon: Daemon): Promise<TrustReport> {
  await daemon.dialer.probe.run(daemon.ingress());
  const { trust } = daemon;
  return {
    schema: 1,
    ...trustStatus(daemon),
    cas: trust.cas.map((ca) => caReport(ca.certificate, ca)),
    listed: trust.listed.map(({ sha256 }) => sha256),
  };
}

/** Trusts the listed CAs of a PEM text, and keeps them. @throws {RequestError} If it holds another, or none. */
export async function saveTrust(pem: string, { trust }: Daemon): Promise<string> {
  const blocks = readPem(pem).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0) {
    throw new RequestError("Cannot use the CA: there is no PEM certificate in it", {
      hint: "Give the file that begins with -----BEGIN CERTIFICATE-----",
    });
  }
  const certificates: ParsedCertificate[] = [];
  for (const { der } of blocks) {
    const certificate = await parseCertificate(der).catch((error: unknown) => {
      throw new RequestError(messageOf(error));
    });
    const why = trust.learnt.whyNot(certificate, Date.now());
    if (why !== undefined) {
      throw new RequestError(
        `Cannot use the CA "${certificate.subject}" (SHA-256 ${certificate.sha256}): it ${why}`,
        { hint: "A CA of your own goes in server.ingress_ca or /etc/ssl/certs/ngrok/" },
      );
    }
    certificates.push(certificate);
  }
  for (const certificate of certificates) await trust.learn(certificate);
  const { problem, path } = trust.learnt;
  if (problem !== undefined) throw new RequestError(problem.message, { hint: problem.hint });
  return `CA saved in ${path}: SHA-256 ${certificates.map(({ sha256 }) => sha256).join(", ")}`;
}

/** Forgets what was learnt. @throws {FileError} */
export async function forgetTrust({ trust }: Daemon): Promise<string> {
  const forgotten = await trust.learnt.forget();
  return forgotten.length === 0
    ? "No CA was learnt"
    : `CA forgotten: SHA-256 ${forgotten.join(", ")}; it is learnt again when the ingress presents it`;
}

function caReport(certificate: ParsedCertificate, ca?: TrustedCa): CaReport {
  const { subject, issuer, sha256, notAfter } = certificate;
  return {
    subject,
    issuer,
    sha256,
    valid_until: new Date(notAfter).toISOString(),
    days_left: Math.floor((notAfter - Date.now()) / DAY_MS),
    source: ca?.source ?? null,
    file: ca?.file ?? null,
  };
}

function isSame(one: TrustedCa, other: TrustedCa | undefined): boolean {
  return one.certificate.sha256 === other?.certificate.sha256;
}

function isKnown({ sha256 }: ParsedCertificate, cas: readonly TrustedCa[]): boolean {
  return cas.some(({ certificate }) => certificate.sha256 === sha256);
}
