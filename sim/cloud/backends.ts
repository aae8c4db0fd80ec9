import { createHash } from "node:crypto";
import { connect } from "node:net";
import type { CertificateAuthority, KeyPairPem } from "./certificate_authority.ts";
import { readThrough } from "./http_stream.ts";
import { answerHttp, type BackendRequest } from "./http_backend.ts";
import { seededBytes } from "./seeded_random.ts";
import type { Endpoint } from "./state/endpoints.ts";
import { acceptTls } from "./tls_accept.ts";
import { splice, Wire } from "./wire.ts";

/** The stream of a backend, and the services that the backend uses. */
export interface BackendContext {
  endpoint: Endpoint;
  /** The name that the client asked for: a concrete one, also for a wildcard endpoint. */
  host: string;
  /** The endpoint that answers the next request: this one, or a member of its pool. */
  nextMember: () => Endpoint;
  checkHost: boolean;
  /** Issues the certificates of `tls` backends. */
  authority: CertificateAuthority;
  certificates: Map<string, Promise<KeyPairPem>>;
  record: (request: BackendRequest) => void;
}

/** Serves a stream as the endpoint's backend. @throws {Error} If the stream breaks. */
export async function runBackend(wire: Wire, context: BackendContext): Promise<void> {
  const { endpoint } = context;
  const { backend } = endpoint;
  if (typeof backend === "object") {
    if ("forward" in backend) return await forward(wire, backend.forward);
    if ("sink" in backend) return await sink(wire, backend.sink);
    return await source(wire, { byteCount: backend.source, seed: backend.seed ?? 1 });
  }
  switch (backend) {
    case "echo":
      return await echo(wire);
    case "http":
      return await answerHttp(wire, context);
    case "tls":
      return await terminateTls(wire, context);
    case "tcp":
      return await lines(endpoint, wire);
    case "sink":
      return await sink(wire, Infinity);
    case "source":
      return await sourceByLine(wire);
    case "stall":
      // Reading nothing puts back-pressure on the client.
      return await wire.closed;
    case "reset":
      await wire.read();
      return wire.reset();
    case "down":
      return await wire.close();
  }
}

async function echo(wire: Wire): Promise<void> {
  for (let chunk = await wire.read(); chunk !== null; chunk = await wire.read()) await wire.write(chunk);
  await wire.end();
}

/** Sends `220 <endpoint id>` first, then echoes every line. */
async function lines(endpoint: Endpoint, wire: Wire): Promise<void> {
  await wire.write(`220 ${endpoint.id}\r\n`);
  for (let line = await readThrough(wire, "\n"); line !== null;) {
    await wire.write(Uint8Array.from(line, (character) => character.charCodeAt(0)));
    line = await readThrough(wire, "\n");
  }
  await wire.end();
}

/**
 * Reads up to `byteCount` bytes and answers `<SHA-256 in hex> <number of bytes>` and a line feed.
 */
async function sink(wire: Wire, byteCount: number): Promise<void> {
  const hash = createHash("sha256");
  let seen = 0;
  while (seen < byteCount) {
    const chunk = await wire.read();
    if (chunk === null) break;
    const piece = chunk.subarray(0, byteCount - seen);
    hash.update(piece);
    seen += piece.length;
  }
  await wire.write(`${hash.digest("hex")} ${seen}\n`);
  await wire.end();
}

/** Sends `byteCount` bytes of `seededBytes()` and ends. */
async function source(wire: Wire, options: { byteCount: number; seed: number }): Promise<void> {
  const { byteCount, seed } = options;
  for (const block of seededBytes(byteCount, seed)) await wire.write(block);
  await wire.end();
}

/** Reads `<number of bytes> [seed]` and a line feed, then sends these bytes. */
async function sourceByLine(wire: Wire): Promise<void> {
  const [byteCount = "0", seed = "1"] = (await readThrough(wire, "\n") ?? "").trim().split(" ");
  await source(wire, { byteCount: Number(byteCount), seed: Number(seed) });
}

async function forward(wire: Wire, address: string): Promise<void> {
  const colon = address.lastIndexOf(":");
  const socket = connect({
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    allowHalfOpen: true,
    noDelay: true,
  });
  socket.on("error", () => {});
  const target = new Wire(socket);
  const connected = new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("close", () => resolve(false));
  });
  if (!await connected) return wire.reset();
  void wire.closed.then(() => target.destroy());
  await splice(wire, target);
  await target.close();
}

/** Terminates TLS with a certificate for the requested name, then answers HTTP. */
async function terminateTls(wire: Wire, context: BackendContext): Promise<void> {
  const { host, authority, certificates } = context;
  let certificate = certificates.get(host);
  if (certificate === undefined) {
    certificate = authority.issueServer([host]);
    certificates.set(host, certificate);
  }
  const inner = (await acceptTls(wire, await certificate)).wire;
  await answerHttp(inner, context);
}
