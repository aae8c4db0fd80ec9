import "reflect-metadata";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const DAY_MS = 86_400_000;

/** A certificate with its private key, both PEM. */
export interface KeyPairPem {
  cert: string;
  key: string;
}

/** A certificate that was issued to a client. */
export interface IssuedCertificate {
  pem: string;
  /** SHA-256 of the DER, lower-case hex. */
  fingerprint: string;
  notBefore: Date;
  notAfter: Date;
}

/**
 * A private CA like ngrok's (docs/protocol.md 3.1): clients trust an intermediate (pathlen 0), and
 * nobody gets the root above it.
 */
export class CertificateAuthority {
  /** The intermediate in PEM, which clients trust. */
  readonly caPem: string;
  readonly #ca: x509.X509Certificate;
  readonly #key: CryptoKey;

  /** Takes an intermediate and its key, which `create()` makes. */
  constructor(ca: x509.X509Certificate, key: CryptoKey) {
    this.#ca = ca;
    this.#key = key;
    this.caPem = pem(ca);
  }

  /** Makes a root and an intermediate, and discards the root's key. */
  static async create(name = "Simulated Intermediate CA"): Promise<CertificateAuthority> {
    const rootKeys = await generateKeys();
    const keys = await generateKeys();
    // Clients check the chain by the real clock, even if the simulated time differs.
    const validity = {
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + 3650 * DAY_MS),
    };
    const issuer = "CN=Simulated Root CA, O=Simulated Cloud";
    const ca = await x509.X509CertificateGenerator.create({
      ...validity,
      serialNumber: serial(),
      subject: `CN=${name}, O=Simulated Cloud, OU=test`,
      issuer,
      publicKey: keys.publicKey,
      signingKey: rootKeys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new CertificateAuthority(ca, keys.privateKey);
  }

  /** Issues a client certificate, for clientAuth only. */
  async issueClient(
    publicKey: x509.PublicKey | CryptoKey,
    options: { subject: string; notBefore: Date; lifetimeMs: number },
  ): Promise<IssuedCertificate> {
    const { subject, notBefore, lifetimeMs } = options;
    const notAfter = new Date(notBefore.getTime() + lifetimeMs);
    const certificate = await this.#issue(publicKey, { subject, notBefore, notAfter, usage: CLIENT_AUTH });
    const digest = await crypto.subtle.digest("SHA-256", certificate.rawData);
    return { pem: pem(certificate), fingerprint: hex(digest), notBefore, notAfter };
  }

  /**
   * Issues a server certificate for names and IPv4 addresses; by default for ten years from
   * yesterday.
   */
  async issueServer(
    names: readonly string[],
    options: { notBefore?: Date; notAfter?: Date } = {},
  ): Promise<KeyPairPem> {
    const notBefore = options.notBefore ?? new Date(Date.now() - DAY_MS);
    const notAfter = options.notAfter ?? new Date(Date.now() + 3650 * DAY_MS);
    const keys = await generateKeys();
    const subject = `CN=${names[0]}`;
    const certificate = await this.#issue(keys.publicKey, {
      subject,
      notBefore,
      notAfter,
      usage: SERVER_AUTH,
      names,
    });
    const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
    return { cert: pem(certificate), key: x509.PemConverter.encode(key, "PRIVATE KEY") };
  }

  async #issue(
    publicKey: x509.PublicKey | CryptoKey,
    options: { subject: string; notBefore: Date; notAfter: Date; usage: string; names?: readonly string[] },
  ): Promise<x509.X509Certificate> {
    const { subject, notBefore, notAfter, usage, names = [] } = options;
    const san: x509.JsonGeneralNames = names.map((value) =>
      /^[\d.]+$/.test(value) ? { type: "ip", value } : { type: "dns", value }
    );
    return await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject,
      issuer: this.#ca.subject,
      publicKey,
      signingKey: this.#key,
      signingAlgorithm: ALGORITHM,
      notBefore,
      notAfter,
      extensions: [
        new x509.BasicConstraintsExtension(false),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        await x509.AuthorityKeyIdentifierExtension.create(this.#ca),
        ...(san.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(san)]),
      ],
    });
  }
}

/** A public key whose private key nobody has. */
export async function strangerKey(): Promise<CryptoKey> {
  return (await generateKeys()).publicKey;
}

/** Lower-case hex of bytes. */
export function hex(bytes: ArrayBuffer | Uint8Array): string {
  return Array.from(new Uint8Array(bytes as ArrayBuffer), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

async function generateKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem").trim()}\n`;
}

function serial(): string {
  // A leading zero bit keeps the INTEGER positive.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0] ?? 0) & 0x7f | 0x40;
  return hex(bytes);
}
