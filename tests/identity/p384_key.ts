import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/** A key on P-384 in the forms in which other programs write it, and a CSR for it. */
export interface ForeignKey {
  /** As Go and openssl write `EC PRIVATE KEY`. */
  readonly sec1: string;
  /** The same without the optional curve and public key (RFC 5915 3). */
  readonly bareSec1: string;
  /** As openssl writes `PRIVATE KEY`. */
  readonly pkcs8: string;
  readonly csr: string;
}

/** Makes a P-384 key such as the Go daemon's, with the subject that it gave its CSR. */
export async function p384Key(): Promise<ForeignKey> {
  const signingAlgorithm = { name: "ECDSA", hash: "SHA-384", namedCurve: "P-384" };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const jwk = await crypto.subtle.exportKey("jwk", keys.privateKey);
  const [d, x, y] = [jwk.d, jwk.x, jwk.y].map((part) =>
    Uint8Array.fromBase64(part!, { alphabet: "base64url" }).toHex()
  );
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "O=ngrok-forward-proxy",
    keys,
    signingAlgorithm,
  });
  return {
    sec1: pem("EC PRIVATE KEY", `3081a40201010430${d}a00706052b81040022a16403620004${x}${y}`),
    bareSec1: pem("EC PRIVATE KEY", `30350201010430${d}`),
    pkcs8: pem(
      "PRIVATE KEY",
      new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toHex(),
    ),
    csr: csr.toString("pem"),
  };
}

function pem(label: string, hex: string): string {
  return x509.PemConverter.encode(Uint8Array.fromHex(hex), label) + "\n";
}
