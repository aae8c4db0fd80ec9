import { generateKey } from "./key.ts";
import { loadX509 } from "../x509/load.ts";

/** What is needed to ask for a certificate, both PEM. */
export interface SigningRequest {
  /** Stays on this machine. */
  readonly key: string;
  readonly csr: string;
}

/**
 * Makes a new key and a request for it, with an empty subject, as the cloud wants it. Both are new at each call: a request that the cloud
 * has seen is answered with the old certificate (PROTOCOL.md 1.6).
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
