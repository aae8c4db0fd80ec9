import "reflect-metadata";
import { Buffer } from "node:buffer";
import * as x509 from "@peculiar/x509";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import {
  type ConnRequest,
  type ConnResponse,
  decodeResponse,
  encodeFrame,
  encodeRequest,
  splitFrame,
} from "../../sim/cloud/frame.ts";
import { concat } from "../../sim/cloud/wire.ts";

export const OPERATORS = "/kubernetes_operators";

/** An answer of the API. */
export interface RawAnswer {
  status: number;
  headers: Headers;
  text: string;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/** Sends a call to the API: a method, and a path or an absolute URL. */
export async function callApi(
  cloud: SimulatedCloud,
  call: string,
  options: { body?: unknown; headers?: Record<string, string | null> } = {},
): Promise<RawAnswer> {
  const [method = "", target = ""] = call.split(" ");
  const headers = new Headers({ Authorization: `Bearer ${cloud.apiKey}`, "Ngrok-Version": "2" });
  if (options.body !== undefined) headers.set("Content-Type", "application/json");
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
  const content = typeof options.body === "string" ? options.body : JSON.stringify(options.body);
  const response = await fetch(target.startsWith("http") ? target : cloud.apiUrl + target, {
    method,
    headers,
    redirect: "manual",
    // For a string fetch would add a Content-Type, so the body is bytes.
    ...(options.body === undefined ? {} : { body: new TextEncoder().encode(content) }),
  });
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch { /* Not every answer is JSON. */ }
  return { status: response.status, headers: response.headers, text, body };
}

/** A key and a CSR for it, PEM. The key is new unless one is given. */
export async function makeCsr(
  options: {
    subject?: string;
    algorithm?: EcKeyGenParams | RsaHashedKeyGenParams;
    hash?: string;
    keys?: CryptoKeyPair;
  } = {},
): Promise<{ key: string; csr: string }> {
  const { subject = "O=test", algorithm = { name: "ECDSA", namedCurve: "P-256" }, hash = "SHA-256" } =
    options;
  const keys = options.keys ??
    await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as CryptoKeyPair;
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys,
    signingAlgorithm: { name: algorithm.name, hash } as EcdsaParams,
  });
  const key = x509.PemConverter.encode(
    await crypto.subtle.exportKey("pkcs8", keys.privateKey),
    "PRIVATE KEY",
  );
  return { key, csr: csr.toString("pem") };
}

/** A registered operator with its key and certificate. */
export interface RawOperator {
  id: string;
  cert: string;
  key: string;
  csr: string;
  /** RFC 3339. */
  notAfter: string;
  /** Sends a call about this operator: a method, and the rest of the path if there is one. */
  call(call: string, body?: unknown): Promise<RawAnswer>;
}

/** Registers an operator with bindings. */
export async function register(
  cloud: SimulatedCloud,
  options: { selectors?: string[] } = {},
): Promise<RawOperator> {
  const { key, csr } = await makeCsr();
  const { selectors } = options;
  const binding = { csr, ...(selectors === undefined ? {} : { endpoint_selectors: selectors }) };
  const { body } = await callApi(cloud, `POST ${OPERATORS}`, {
    body: { enabled_features: ["bindings"], binding },
  });
  const { id, binding: { cert: { cert, not_after: notAfter } } } = body;
  return {
    ...{ id, cert, key, csr, notAfter },
    call(call, body) {
      const [method, rest = ""] = call.split(" ");
      return callApi(cloud, `${method} ${OPERATORS}/${id}${rest}`, body === undefined ? {} : { body });
    },
  };
}

/** The endpoint of {@linkcode withEcho}. */
export const ECHO = { host: "echo.myapp", port: 7000 };

/** Runs a test with a cloud that has one echo endpoint and one operator. */
export async function withEcho(
  test: (cloud: SimulatedCloud, operator: RawOperator, endpointId: string) => Promise<void>,
): Promise<void> {
  await using cloud = await SimulatedCloud.start();
  const { id } = cloud.addEndpoint({ url: `tcp://${ECHO.host}:${ECHO.port}`, backend: "echo" });
  await test(cloud, await register(cloud), id);
}

/** Connects to the ingress and does the handshake. */
export async function dial(
  cloud: SimulatedCloud,
  operator: { cert: string; key: string } | null,
): Promise<Deno.TlsConn> {
  const conn = await Deno.connectTls({
    hostname: cloud.ingressHost,
    port: cloud.ingressPort,
    caCerts: [cloud.caPem],
    ...(operator === null ? {} : { cert: operator.cert, key: operator.key }),
  });
  try {
    await conn.handshake();
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}

/** An ingress connection after its upgrade. */
export interface RawStream extends AsyncDisposable {
  conn: Deno.TlsConn;
  response: ConnResponse;
  write(data: string | Uint8Array): Promise<void>;
  /** Everything up to the end as Latin-1 text, including bytes that came with the response. */
  readAll(): Promise<string>;
}

/** Connects, sends the request and reads the response frame. */
export async function upgrade(
  cloud: SimulatedCloud,
  operator: { cert: string; key: string },
  options: ConnRequest & { early?: string },
): Promise<RawStream> {
  const conn = await dial(cloud, operator);
  try {
    const early = new TextEncoder().encode(options.early ?? "");
    await writeAll(conn, concat(encodeFrame(encodeRequest(options)), early));
    let bytes: Uint8Array = new Uint8Array();
    let frame = splitFrame(bytes);
    while (frame === null) {
      const chunk = await readSome(conn);
      if (chunk === null) throw new Error(`Stream ended after ${bytes.length} bytes`);
      bytes = concat(bytes, chunk);
      frame = splitFrame(bytes);
    }
    const { body, rest } = frame;
    return {
      conn,
      response: decodeResponse(body),
      write: (data) => writeAll(conn, typeof data === "string" ? new TextEncoder().encode(data) : data),
      readAll: async () => Buffer.from(concat(rest, await readToEnd(conn))).toString("latin1"),
      [Symbol.asyncDispose]: () => {
        try {
          conn.close();
        } catch { /* The test has closed it. */ }
        return Promise.resolve();
      },
    };
  } catch (error) {
    conn.close();
    throw error;
  }
}

/** Reads to the end. */
export async function readToEnd(conn: Deno.Conn): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let piece = await readSome(conn); piece !== null; piece = await readSome(conn)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function readSome(conn: Deno.Conn): Promise<Uint8Array | null> {
  const buffer = new Uint8Array(65_536);
  const count = await conn.read(buffer);
  return count === null ? null : buffer.subarray(0, count);
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += await conn.write(bytes.subarray(offset));
}
