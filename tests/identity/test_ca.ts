import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { createSigningRequest } from "../../src/identity/csr.ts";

/** Options of {@linkcode TestCa.issue}. */
export interface IssueOptions {
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly dnsName?: string;
}

const SIGNING = { name: "ECDSA", hash: "SHA-256", namedCurve: "P-256" };

/** A throw-away certificate authority. */
export class TestCa {
  readonly #keys: CryptoKeyPair;
  readonly #certificate: x509.X509Certificate;
  #serial = 100;

  constructor(keys: CryptoKeyPair, certificate: x509.X509Certificate) {
    this.#keys = keys;
    this.#certificate = certificate;
  }

  static async create(): Promise<TestCa> {
    const keys = await crypto.subtle.generateKey(SIGNING, true, ["sign", "verify"]);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: "CN=Test CA, O=Test",
      keys,
      signingAlgorithm: SIGNING,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3600_000),
      extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
    });
    return new TestCa(keys, certificate);
  }

  get pem(): string {
    return `${this.#certificate.toString("pem")}\n`;
  }

  /** Signs a CSR (PEM); the subject is the CA's choice. */
  async issue(csr: string, options: IssueOptions = {}): Promise<string> {
    const { notBefore = new Date(Date.now() - 60_000), notAfter = new Date(Date.now() + 3600_000), dnsName } =
      options;
    const request = new x509.Pkcs10CertificateRequest(csr);
    if (!await request.verify()) throw new Error("Cannot sign the request: its signature is wrong");
    const certificate = await x509.X509CertificateGenerator.create({
      subject: "CN=k8sop_1",
      issuer: this.#certificate.subject,
      publicKey: await request.publicKey.export(),
      signingKey: this.#keys.privateKey,
      signingAlgorithm: SIGNING,
      serialNumber: (this.#serial++).toString(16).padStart(4, "0"),
      notBefore,
      notAfter,
      extensions: dnsName === undefined ? [new x509.BasicConstraintsExtension(false)] : [
        new x509.BasicConstraintsExtension(false),
        new x509.SubjectAlternativeNameExtension([{ type: "dns", value: dnsName }]),
      ],
    });
    return `${certificate.toString("pem")}\n`;
  }

  /** A new key and a certificate for it, both PEM. */
  async pair(options: IssueOptions = {}): Promise<{ cert: string; key: string }> {
    const { key, csr } = await createSigningRequest();
    return { key, cert: await this.issue(csr, options) };
  }
}

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
