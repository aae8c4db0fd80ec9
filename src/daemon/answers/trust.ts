import { RequestError } from "../../control/protocol.ts";
import { messageOf, withHint } from "../../model/errors.ts";
import { isSameTarget } from "../../model/ingress_target.ts";
import type { CaReport, StatusReport, TrustReport } from "../../model/report.ts";
import { trustWarnings } from "../../trust/expiry_warnings.ts";
import type { TrustedCa } from "../../trust/trusted_ca.ts";
import { parseCertificate, type ParsedCertificate } from "../../x509/parse_certificate.ts";
import { readPem } from "../../x509/pem.ts";
import type { Daemon } from "../daemon.ts";
import { daysUntil } from "./duration.ts";

/** Returns the trust in the ingress, for `status`. */
export function trustStatus({ trust, dialer, ingress }: Daemon): StatusReport["trust"] {
  const { presented, failure } = dialer.probe;
  const target = ingress();
  const isCurrent = presented !== undefined && isSameTarget(presented.target, target);
  const wasVerified = isCurrent && presented.verdict.reasons.length === 0;
  // The CA may have been forgotten since the probe, or its file may have changed.
  const ca = wasVerified ? trust.cas.find((known) => isSame(known, presented.verdict.ca)) : undefined;
  const isVerified = wasVerified && (ca !== undefined || presented.verdict.ca === undefined);
  return {
    ...trust.report,
    warnings: trustWarnings(trust.cas, { presented: isVerified ? presented.chain : [], nowMs: Date.now() }),
    mode: isVerified ? ca?.source ?? "roots" : "none",
    ca: ca === undefined ? null : caReport(ca.certificate, ca),
    issuer: presented?.chain[0]?.issuer ?? null,
    presented: presented === undefined ? null : {
      target: `${presented.target.hostname}:${presented.target.port}`,
      at: new Date(presented.at).toISOString(),
      problems: [...presented.verdict.reasons],
      certificates: presented.chain.map((certificate) => ({
        ...caReport(certificate),
        trusted: isKnown(certificate, trust.cas),
      })),
    },
    look_error: failure === undefined || !isSameTarget(failure.target, target) ? null : withHint(failure),
  };
}

/**
 * Returns the answer of `trust show`. The ingress is probed first, unless the last probe was a
 * moment ago.
 */
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

/**
 * Trusts and saves the listed CAs in a PEM text.
 *
 * @throws {RequestError} If it holds no certificate, or one that is not listed.
 */
export async function saveTrust(pem: string, { trust }: Daemon): Promise<string> {
  const blocks = readPem(pem).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0) {
    throw new RequestError("Cannot use the CA: it holds no PEM certificate", {
      hint: "Give the file that begins with -----BEGIN CERTIFICATE-----",
    });
  }
  const certificates: ParsedCertificate[] = [];
  for (const { der } of blocks) {
    const certificate = parseGiven(der);
    const problem = trust.learnt.learnProblem(certificate, Date.now());
    if (problem !== undefined) {
      throw new RequestError(
        `Cannot use the CA "${certificate.subject}" (SHA-256 ${certificate.sha256}): it ${problem}`,
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

/** Forgets the learnt CAs. @throws {FileError} */
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
    days_left: daysUntil(notAfter),
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

function parseGiven(der: Uint8Array<ArrayBuffer>): ParsedCertificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    throw new RequestError(messageOf(error));
  }
}
