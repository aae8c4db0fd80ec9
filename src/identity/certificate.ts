import { messageOf } from "../model/errors.ts";
import { openCertificate } from "../system/certificate.ts";
import { readFields } from "../x509/certificate_fields.ts";
import { nameText } from "../x509/name_text.ts";
import { readPem } from "../x509/pem.ts";
import { publicKeyOf } from "./key.ts";

/** The fields of a certificate. Times are milliseconds since the epoch. */
export interface CertificateInfo {
  /** Hexadecimal, lower case. */
  readonly serial: string;
  /** A name as in RFC 4514: `CN=…, O=…`. */
  readonly issuer: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo (RFC 5280 4.1.2.7), DER. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
}

/**
 * Reads the first certificate of a PEM text, which is the leaf if there is a chain.
 *
 * @throws {SyntaxError} If there is none, or it cannot be read.
 */
export function readCertificate(pem: string): CertificateInfo {
  const block = readPem(pem).find(({ label }) => label === "CERTIFICATE");
  if (block === undefined) throw new SyntaxError("Cannot read the certificate: no PEM block CERTIFICATE");
  try {
    const { notBefore, notAfter } = openCertificate(block.der);
    const { serial, issuer, publicKey } = readFields(block.der);
    return { serial, issuer: nameText(issuer), notBefore, notAfter, publicKey };
  } catch (error) {
    throw new SyntaxError(`Cannot read the certificate: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Reads a certificate and checks that the key is its own.
 *
 * @throws {SyntaxError} If one of them cannot be read, or the key is another certificate's.
 */
export async function checkPair(cert: string, key: string): Promise<CertificateInfo> {
  const info = readCertificate(cert);
  const ours = await publicKeyOf(key);
  if (ours.toHex() !== info.publicKey.toHex()) {
    throw new SyntaxError("Cannot use the certificate: it does not match the private key");
  }
  return info;
}
