import { loadX509 } from "../x509/library.ts";
import { generateKey } from "./key.ts";

/**
 * Makes a new key and a request for it, with an empty subject, as the cloud demands. Both are new
 * at each call: the cloud answers a known request with the old certificate (docs/protocol.md 1.6).
 */
export async function createSigningRequest(): Promise<SigningRequest> {
  const { Pkcs10CertificateRequestGenerator } = await loadX509();
  const { keys, pem } = await generateKey();
  const csr = await Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
  });
  return { key: pem, csr: `${csr.toString("pem")}\n` };
}

/** A certificate signing request and its key, both PEM. */
export interface SigningRequest {
  /** Never leaves this machine. */
  readonly key: string;
  readonly csr: string;
}
