import { messageOf } from "../model/errors.ts";
import { writePem } from "./pem.ts";
import { loadX509 } from "./library.ts";

/**
 * A certificate and the parts of it that are needed to judge it. Times are milliseconds since the
 * epoch.
 */
export interface ParsedCertificate {
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
   * Returns true if the other one's key has signed it; undefined if WebCrypto lacks the algorithm.
   */
  isSignedBy(other: ParsedCertificate): Promise<boolean | undefined>;
}

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const ANY_USAGE = "2.5.29.37.0";

/**
 * Parses a certificate from its DER.
 *
 * @throws {SyntaxError} If it is not one.
 */
export async function parseCertificate(der: Uint8Array<ArrayBuffer>): Promise<ParsedCertificate> {
  const x509 = await loadX509();
  try {
    const certificate = new x509.X509Certificate(der);
    const constraints = certificate.getExtension(x509.BasicConstraintsExtension);
    const usages = certificate.getExtension(x509.KeyUsagesExtension);
    const purposes = certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages.map(String);
    const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
    const mayIssue = usages === null || (usages.usages & x509.KeyUsageFlags.keyCertSign) !== 0;
    return {
      pem: writePem("CERTIFICATE", der),
      sha256: await fingerprint(der),
      subject: certificate.subject,
      issuer: certificate.issuer,
      subjectDer: new Uint8Array(certificate.subjectName.toArrayBuffer()).toHex(),
      issuerDer: new Uint8Array(certificate.issuerName.toArrayBuffer()).toHex(),
      notBefore: certificate.notBefore.getTime(),
      notAfter: certificate.notAfter.getTime(),
      isCa: constraints?.ca === true && mayIssue,
      hasCaFlag: constraints?.ca === true,
      names: names.filter(({ type }) => type === "dns" || type === "ip").map(({ value }) => value),
      isForServers: purposes === undefined || purposes.includes(SERVER_AUTH) || purposes.includes(ANY_USAGE),
      async isSignedBy(other) {
        try {
          const publicKey = await new x509.X509Certificate(other.pem).publicKey.export();
          return await certificate.verify({ publicKey, signatureOnly: true });
        } catch {
          return undefined;
        }
      },
    };
  } catch (error) {
    throw new SyntaxError(`Cannot read the certificate: ${messageOf(error)}`, { cause: error });
  }
}

/** Returns the SHA-256 fingerprint, as openssl prints it. */
async function fingerprint(der: Uint8Array<ArrayBuffer>): Promise<string> {
  const hex = new Uint8Array(await crypto.subtle.digest("SHA-256", der)).toHex().toUpperCase();
  return hex.match(/../g)!.join(":");
}

/**
 * Parses a chain. Certificates that cannot be read are left out; if the first one cannot, all are.
 */
export async function parseChain(ders: readonly Uint8Array<ArrayBuffer>[]): Promise<ParsedCertificate[]> {
  const parsed: ParsedCertificate[] = [];
  for (const der of ders) {
    try {
      parsed.push(await parseCertificate(der));
    } catch {
      // The first certificate must stay the server's own.
      if (parsed.length === 0) return [];
    }
  }
  return parsed;
}
