import "reflect-metadata";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;

/** A certificate and the key of its subject. */
export interface Made {
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
  readonly pem: string;
  /** As openssl prints it. */
  readonly sha256: string;
}

/** What a certificate is made of. Hours are from now. */
export interface MakeOptions {
  readonly subject: string;
  /** Who signs it; absent: it does itself. */
  readonly issuer?: Made;
  readonly isCa?: boolean;
  readonly names?: readonly string[];
  readonly fromHours?: number;
  readonly untilHours?: number;
}

/** Makes any certificate, be it one that no honest CA would. */
export async function make(options: MakeOptions): Promise<Made> {
  const { subject, issuer, isCa = false, names = [], fromHours = -1, untilHours = 24 } = options;
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: issuer?.certificate.subject ?? subject,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() + fromHours * HOUR_MS),
    notAfter: new Date(Date.now() + untilHours * HOUR_MS),
    extensions: [
      new x509.BasicConstraintsExtension(isCa, undefined, true),
      ...(names.length === 0 ? [] : [
        new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns" as const, value }))),
      ]),
    ],
  });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", certificate.rawData));
  return {
    certificate,
    keys,
    pem: `${certificate.toString("pem")}\n`,
    sha256: digest.toHex().toUpperCase().match(/../g)!.join(":"),
  };
}

/** A TLS server that presents a chain and counts what it is told. */
export interface RawServer extends AsyncDisposable {
  readonly port: number;
  /** Bytes of application data that came in. */
  readonly received: () => number;
  /** How many TCP connections came. */
  readonly connections: () => number;
}

/** Starts one on 127.0.0.1: the first of the chain is its own, whose key it has. It hangs up on the first data. */
export async function presenting(chain: readonly Made[]): Promise<RawServer> {
  const { privateKey } = chain[0]!.keys;
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", privateKey), "PRIVATE KEY");
  let received = 0;
  let connections = 0;
  const server = tls.createServer({
    cert: chain.map(({ pem }) => pem).join(""),
    key,
    requestCert: true,
    rejectUnauthorized: false,
  });
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => {
    connections++;
    sockets.add(socket);
  });
  server.on("secureConnection", (socket) => {
    sockets.add(socket);
    socket.on("data", (data) => {
      received += data.length;
      socket.destroy();
    });
    socket.on("error", () => {});
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received: () => received,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
