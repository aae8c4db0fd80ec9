import { CertificateError, messageOf } from "../model/errors.ts";
import { openCertificate } from "../system/certificate.ts";
import { readFields } from "../x509/certificate_fields.ts";
import { readPem } from "../x509/pem.ts";
import { RETRY } from "./check_issued.ts";

const MAX_CERTIFICATES = 10;

/**
 * Returns the certificates of a PEM text in normal form, and nothing else of the text: what the API
 * sends is stored, and read again by other programs.
 *
 * @throws {CertificateError} `unreadable` if there is none, one cannot be read, or there are more
 * than 10.
 */
export function canonicalChain(pem: string): string {
  const blocks = readPem(pem).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0) throw unusable("no PEM block CERTIFICATE");
  if (blocks.length > MAX_CERTIFICATES) {
    throw unusable(`${blocks.length} certificates, more than ${MAX_CERTIFICATES}`);
  }
  try {
    for (const { der } of blocks) {
      openCertificate(der);
      readFields(der);
    }
  } catch (cause) {
    throw unusable(messageOf(cause), cause);
  }
  return blocks.map((block) => block.pem).join("");
}

function unusable(state: string, cause?: unknown): CertificateError {
  const message = `Cannot use the new certificate: ${state}`;
  return new CertificateError(message, { code: "unreadable", cause, hint: RETRY });
}
