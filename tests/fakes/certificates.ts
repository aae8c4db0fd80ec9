import "reflect-metadata";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

/** Certificate and private key, PEM. */
export interface TestPair {
  readonly cert: string;
  readonly key: string;
}

/** What a leaf is made of. */
export interface LeafOptions {
  /** DNS names. @default {["localhost"]} */
  readonly names?: readonly string[];
  /** From now. @default {1} */
  readonly days?: number;
}

/** A certificate authority that nobody trusts. */
export class TestAuthority {
  readonly #certificate: x509.X509Certificate;
  readonly #keys: CryptoKeyPair;

  constructor(certificate: x509.X509Certificate, keys: CryptoKeyPair) {
    this.#certificate = certificate;
    this.#keys = keys;
  }

  static async create(name = "Test CA"): Promise<TestAuthority> {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - 10 * DAY_MS),
      notAfter: new Date(Date.now() + 10 * DAY_MS),
      extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
    });
    return new TestAuthority(certificate, keys);
  }

  get pem(): string {
    return this.#certificate.toString("pem");
  }

  async issue(options: LeafOptions = {}): Promise<TestPair> {
    const { names = ["localhost"], days = 1 } = options;
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      subject: "CN=Test leaf",
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - 5 * DAY_MS),
      notAfter: new Date(Date.now() + days * DAY_MS),
      extensions: [
        new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns" as const, value }))),
      ],
    });
    const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
    return { cert: certificate.toString("pem"), key: x509.PemConverter.encode(key, "PRIVATE KEY") };
  }
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}
