import "reflect-metadata";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;

/** A certificate and its key, PEM. */
export interface TestPair {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority that lives as long as the test. */
export class TestCa {
  readonly #ca: MadeCert;
  #serial = 100;

  constructor(ca: MadeCert) {
    this.#ca = ca;
  }

  static async create(name = "Test CA"): Promise<TestCa> {
    return new TestCa(
      await makeCert({ subject: `CN=${name}, O=Test`, isCa: true, fromHours: -240, untilHours: 240 }),
    );
  }

  get pem(): string {
    return this.#ca.pem;
  }

  /** Signs a CSR (PEM). The CA chooses the subject. */
  async issue(csr: string, options: IssueOptions = {}): Promise<string> {
    const request = new x509.Pkcs10CertificateRequest(csr);
    if (!await request.verify()) throw new Error("Cannot sign the request: its signature is wrong");
    return await this.#sign(await request.publicKey.export(), options);
  }

  /** Makes a key and a certificate for it, for `localhost` by default. */
  async pair({ names = ["localhost"], ...dates }: IssueOptions = {}): Promise<TestPair> {
    const keys = await generateKeys();
    return { cert: await this.#sign(keys.publicKey, { names, ...dates }), key: await keyPem(keys) };
  }

  async #sign(publicKey: CryptoKey, options: IssueOptions): Promise<string> {
    const { notBefore = inHours(-24), notAfter = inHours(24), names = [] } = options;
    const { certificate, keys } = this.#ca;
    return pemOf(
      await x509.X509CertificateGenerator.create({
        subject: "CN=k8sop_1",
        issuer: certificate.subject,
        publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        serialNumber: (this.#serial++).toString(16).padStart(4, "0"),
        notBefore,
        notAfter,
        extensions: extensionsOf({ isCa: false, names }),
      }),
    );
  }
}

/** Options of {@linkcode TestCa.issue}. */
export interface IssueOptions {
  /** DNS names. @default {[]} */
  readonly names?: readonly string[];
  /** @default A day ago */
  readonly notBefore?: Date;
  /** @default In a day */
  readonly notAfter?: Date;
}

/** A certificate and the keys of its subject. */
export interface MadeCert {
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
  readonly pem: string;
  /** As openssl prints it. */
  readonly sha256: string;
}

/** Options of {@linkcode makeCert}. Hours count from now. */
export interface MakeOptions {
  readonly subject: string;
  /** The signer. @default The certificate itself */
  readonly issuer?: MadeCert;
  readonly isCa?: boolean;
  readonly names?: readonly string[];
  readonly fromHours?: number;
  readonly untilHours?: number;
}

/** Makes any certificate, also one that no honest CA would issue. */
export async function makeCert(options: MakeOptions): Promise<MadeCert> {
  const { subject, issuer, isCa = false, names = [], fromHours = -1, untilHours = 24 } = options;
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: issuer?.certificate.subject ?? subject,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: ALGORITHM,
    notBefore: inHours(fromHours),
    notAfter: inHours(untilHours),
    extensions: extensionsOf({ isCa, names }),
  });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", certificate.rawData));
  return {
    certificate,
    keys,
    pem: pemOf(certificate),
    sha256: digest.toHex().toUpperCase().match(/../g)!.join(":"),
  };
}

/** The private key, PEM. */
export async function keyPem({ privateKey }: CryptoKeyPair): Promise<string> {
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", privateKey);
  return `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`;
}

function extensionsOf(options: { isCa: boolean; names: readonly string[] }): x509.Extension[] {
  const names = options.names.map((value) => ({ type: "dns" as const, value }));
  return [
    new x509.BasicConstraintsExtension(options.isCa, undefined, true),
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
  ];
}

function inHours(hours: number): Date {
  return new Date(Date.now() + hours * HOUR_MS);
}

function pemOf(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}
