import { CertificateError, messageOf } from "../model/errors.ts";
import { type CertificateInfo, readCertificate } from "./certificate.ts";
import { publicKeyOf } from "./key.ts";

/** The hint for a certificate that cannot be used. */
export const RETRY = "The old one stays in use; ngrokd requests another automatically";

/**
 * Reads a certificate that the cloud has just issued and checks that it may replace the one in use
 * (docs/decisions/0009). One that begins in the future is accepted: the cloud does not back-date,
 * and the clock of this machine may be slow (docs/protocol.md 1.6). So is another issuer.
 *
 * @throws {CertificateError} With a code for each reason.
 */
export async function checkIssued(cert: string, options: IssuedOptions): Promise<CertificateInfo> {
  const { key, inUse, nowMs } = options;
  const info = readIssued(cert);
  const { serial, issuer, notBefore, notAfter } = info;
  // Before the key, because the old certificate has the old key, which is not the real problem.
  if (inUse !== undefined && serial === inUse.serial && issuer === inUse.issuer) {
    throw refusal(`ngrok answered with the old one, serial ${serial}`, "old");
  }
  const ours = await publicKeyOf(key);
  if (ours.toHex() !== info.publicKey.toHex()) throw refusal("it does not match the private key", "key");
  if (issuer === "") throw refusal("it names no issuer", "issuer");
  if (notAfter <= notBefore) {
    const state = `its end (${time(notAfter)}) is not after its start (${time(notBefore)})`;
    throw refusal(state, "dates");
  }
  if (notAfter <= nowMs) {
    const hint = `Check this machine's clock, which says ${time(nowMs)}. ${RETRY}`;
    throw refusal(`it expired at ${time(notAfter)}`, "expired", hint);
  }
  return info;
}

/** Options of {@linkcode checkIssued}. */
export interface IssuedOptions {
  /** The private key of the signing request, PEM. */
  readonly key: string;
  /** The certificate in use, if there is one. */
  readonly inUse?: CertificateInfo | undefined;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

function readIssued(cert: string): CertificateInfo {
  try {
    return readCertificate(cert);
  } catch (cause) {
    throw new CertificateError(messageOf(cause), { cause, code: "unreadable", hint: RETRY });
  }
}

function refusal(state: string, code: CertificateError["code"], hint: string = RETRY): CertificateError {
  return new CertificateError(`Cannot use the new certificate: ${state}`, { code, hint });
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
