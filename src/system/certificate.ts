import { X509Certificate } from "node:crypto";

/** A certificate that the runtime has read. Times are milliseconds since the epoch. */
export interface OpenCertificate {
  readonly notBefore: number;
  readonly notAfter: number;
  /** The SHA-256 hash of the DER: upper-case hexadecimal pairs with colons. */
  readonly sha256: string;
  /** True if basicConstraints says CA. */
  readonly hasCaFlag: boolean;
  /** True if keyUsage, if present, contains keyCertSign. */
  readonly maySign: boolean;
  /** Returns true if the other one's key has signed it; undefined if the runtime cannot tell. */
  isSignedBy(issuer: Uint8Array<ArrayBuffer>): boolean | undefined;
}

/** Reads a certificate in DER. @throws {Error} If it is none. */
export function openCertificate(der: Uint8Array<ArrayBuffer>): OpenCertificate {
  const certificate = new X509Certificate(der);
  const usages = certificate.keyUsage as string[] | undefined;
  return {
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    sha256: certificate.fingerprint256,
    hasCaFlag: certificate.ca,
    // Node has the names of extKeyUsage here, Deno those of keyUsage.
    maySign: usages === undefined || usages.includes("KeyCertSign"),
    isSignedBy(issuer) {
      try {
        return certificate.verify(new X509Certificate(issuer).publicKey);
      } catch {
        return undefined;
      }
    },
  };
}
