import { CertificateError, messageOf } from "../model/errors.ts";
import { type CertificateInfo, readCertificate } from "./certificate.ts";
import { publicKeyOf } from "./key.ts";

/** What an issued certificate is held against. */
export interface IssuedOptions {
  /** The private key that it was asked for with, PEM. */
  readonly key: string;
  /** The certificate in use, if there is one. */
  readonly inUse?: CertificateInfo | undefined;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

const ASK_AGAIN = "The old one stays in use, and another is asked for by itself";

/**
 * Reads a certificate that the cloud has just issued and makes sure that it may replace the one in use. One that begins in the future is
 * not refused: the cloud does not back-date, and our clock may be slow (PROTOCOL.md 1.6). Another issuer is not refused either
 * (docs/decisions/0009).
 *
 * @throws {CertificateError} With a code of its own for each reason.
 */
export async function checkIssued(cert: string, options: IssuedOptions): Promise<CertificateInfo> {
  const { key, inUse, nowMs } = options;
  const info = await readIssued(cert);
  const { serial, issuer, notBefore, notAfter } = info;
  // Before the key: the old certificate has the old key, and that would be the lesser half of the truth.
  if (inUse !== undefined && serial === inUse.serial && issuer === inUse.issuer) {
    throw refusal(`ngrok answered with the old one, serial ${serial}`, "old");
  }
  const ours = await publicKeyOf(key);
  if (ours.toHex() !== info.publicKey.toHex()) throw refusal("the private key is not its own", "key");
  if (issuer === "") throw refusal("it names no issuer", "issuer");
  if (notAfter <= notBefore) {
    throw refusal(
      `it ends at ${time(notAfter)}, which is not after its begin at ${time(notBefore)}`,
      "dates",
    );
  }
  if (notAfter <= nowMs) {
    const hint = `Check this machine's clock, which says ${time(nowMs)}. ${ASK_AGAIN}`;
    throw refusal(`it expired at ${time(notAfter)}`, "expired", hint);
  }
  return info;
}

async function readIssued(cert: string): Promise<CertificateInfo> {
  try {
    return await readCertificate(cert);
  } catch (cause) {
    throw new CertificateError(messageOf(cause), { cause, code: "unreadable", hint: ASK_AGAIN });
  }
}

function refusal(state: string, code: CertificateError["code"], hint: string = ASK_AGAIN): CertificateError {
  return new CertificateError(`Cannot use the new certificate: ${state}`, { code, hint });
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
