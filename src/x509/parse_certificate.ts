import { messageOf } from "../model/errors.ts";
import { openCertificate } from "../system/certificate.ts";
import { readFields } from "./certificate_fields.ts";
import { nameText } from "./name_text.ts";
import { writePem } from "./pem.ts";

/**
 * A certificate and the parts of it that are needed to judge it. Times are milliseconds since the
 * epoch.
 */
export interface ParsedCertificate {
  readonly der: Uint8Array<ArrayBuffer>;
  readonly pem: string;
  /** The hash of the DER: upper-case hexadecimal pairs with colons, as openssl prints it. */
  readonly sha256: string;
  readonly subject: string;
  readonly issuer: string;
  /** The name in DER, hexadecimal. DER is what RFC 5280 6.1.3 compares. */
  readonly subjectDer: string;
  readonly issuerDer: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /**
   * True if it may sign certificates: basicConstraints says CA, and keyUsage, if present,
   * keyCertSign (RFC 5280 4.2.1.3, 4.2.1.9).
   */
  readonly isCa: boolean;
  /**
   * True if basicConstraints says CA, regardless of keyUsage. The runtime's TLS accepts no such
   * certificate as a server's own.
   */
  readonly hasCaFlag: boolean;
  /** The DNS names and IP addresses that it is for. */
  readonly names: readonly string[];
  /** True if extKeyUsage, if present, contains serverAuth. */
  readonly isForServers: boolean;
  /**
   * Returns true if the other one's key has signed it; undefined if the runtime lacks the
   * algorithm.
   */
  isSignedBy(other: ParsedCertificate): boolean | undefined;
}

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const ANY_USAGE = "2.5.29.37.0";

/**
 * Parses a certificate from its DER.
 *
 * @throws {SyntaxError} If it is not one.
 */
export function parseCertificate(der: Uint8Array<ArrayBuffer>): ParsedCertificate {
  try {
    const { notBefore, notAfter, sha256, hasCaFlag, maySign, isSignedBy } = openCertificate(der);
    const { subject, issuer, names, purposes } = readFields(der);
    return {
      der,
      pem: writePem("CERTIFICATE", der),
      sha256,
      subject: nameText(subject),
      issuer: nameText(issuer),
      subjectDer: subject.toHex(),
      issuerDer: issuer.toHex(),
      notBefore,
      notAfter,
      isCa: hasCaFlag && maySign,
      hasCaFlag,
      names,
      isForServers: purposes === undefined || purposes.includes(SERVER_AUTH) || purposes.includes(ANY_USAGE),
      isSignedBy: (other) => isSignedBy(other.der),
    };
  } catch (error) {
    throw new SyntaxError(`Cannot read the certificate: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Parses a chain. Certificates that cannot be read are left out; if the first one cannot, all are.
 */
export function parseChain(ders: readonly Uint8Array<ArrayBuffer>[]): ParsedCertificate[] {
  const parsed: ParsedCertificate[] = [];
  for (const der of ders) {
    try {
      parsed.push(parseCertificate(der));
    } catch {
      // The first certificate must stay the server's own.
      if (parsed.length === 0) return [];
    }
  }
  return parsed;
}
