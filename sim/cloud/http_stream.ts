import { Buffer } from "node:buffer";
import { concat, type Wire } from "./wire.ts";

/** A request as it came over the wire. */
export interface HttpRequest {
  method: string;
  target: string;
  /** Path and query of the target. */
  url: URL;
  version: "1.0" | "1.1";
  /** Names and values as sent, in order. */
  rawHeaders: [string, string][];
  /** The value of the first header with this name, or null. */
  header(name: string): string | null;
  /** The body in pieces; it must be read to its end before the next request. */
  body(): AsyncGenerator<Uint8Array>;
}

/** An answer with its body. */
export interface HttpReply {
  status: number;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
}

/** Bytes that are not an HTTP/1 request. */
export class HttpSyntaxError extends Error {
  override name = "HttpSyntaxError";
}

const MAX_HEAD_BYTES = 65_536;
const encoder = new TextEncoder();

/**
 * Reads requests one after another and lets the handler answer. Returns when the peer ends, when
 * one side wants to close, or when the handler returns "detached" and so takes over the wire.
 */
export async function serveHttp(
  wire: Wire,
  handler: (request: HttpRequest, wire: Wire) => Promise<"detached" | "close" | void>,
): Promise<void> {
  while (true) {
    const head = await readThrough(wire, "\r\n\r\n");
    if (head === null) return await wire.close();
    let request: HttpRequest;
    try {
      request = parseHead(wire, head);
    } catch (error) {
      if (!(error instanceof HttpSyntaxError)) throw error;
      await wire.write(encodeReply({ status: 400, headers: { Connection: "close" }, body: error.message }));
      return await wire.close();
    }
    if (/^100-continue$/i.test(request.header("Expect") ?? "")) {
      await wire.write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    const body = request.body();
    const outcome = await handler({ ...request, body: () => body }, wire);
    if (outcome === "detached") return;
    while (!(await body.next()).done) { /* The rest of the body must not be parsed as the next request. */ }
    const connection = request.header("Connection") ?? "";
    if (
      outcome === "close" || /\bclose\b/i.test(connection) ||
      (request.version === "1.0" && !/keep-alive/i.test(connection))
    ) {
      return await wire.close();
    }
  }
}

/** The whole body as one array. */
export async function wholeBody(request: HttpRequest): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of request.body()) pieces.push(piece);
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

/** Encodes an answer, with Content-Length unless its status has no body. */
export function encodeReply(reply: HttpReply): Uint8Array {
  const { status, headers = {}, body = "" } = reply;
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  return concat(
    encodeHead({ status, headers, contentLength: status === 204 || status < 200 ? null : bytes.length }),
    bytes,
  );
}

/** Encodes the head of an answer; a length of null leaves Content-Length out. */
export function encodeHead(
  head: { status: number; headers: Record<string, string>; contentLength: number | null },
): Uint8Array {
  const { status, headers, contentLength } = head;
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? "Status"}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (contentLength !== null) lines.push(`Content-Length: ${contentLength}`);
  return encoder.encode(`${lines.join("\r\n")}\r\n\r\n`);
}

/**
 * Reads up to the end of a delimiter and puts the rest back; null if the stream ends first.
 *
 * @throws {HttpSyntaxError} If it is too long.
 */
export async function readThrough(wire: Wire, delimiter: string): Promise<string | null> {
  let bytes: Uint8Array = new Uint8Array();
  while (true) {
    const chunk = await wire.read();
    if (chunk === null) return null;
    bytes = concat(bytes, chunk);
    // TextDecoder would decode "latin1" as windows-1252, which changes some bytes.
    const text = Buffer.from(bytes).toString("latin1");
    const found = text.indexOf(delimiter);
    if (found !== -1) {
      wire.unread(bytes.slice(found + delimiter.length));
      return text.slice(0, found + delimiter.length);
    }
    if (bytes.length > MAX_HEAD_BYTES) throw new HttpSyntaxError("Head is too long");
  }
}

const REASONS: Record<number, string> = {
  101: "Switching Protocols",
  200: "OK",
  201: "Created",
  204: "No Content",
  302: "Found",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  415: "Unsupported Media Type",
  421: "Misdirected Request",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
};

function parseHead(wire: Wire, head: string): HttpRequest {
  const [line = "", ...headerLines] = head.trimEnd().split("\r\n");
  const match = /^([!#$%&'*+.^_`|~\w-]+) (\S+) HTTP\/1\.([01])$/.exec(line);
  if (match === null) throw new HttpSyntaxError("Request line is not valid");
  const [, method = "", target = "", minor] = match;
  const rawHeaders = headerLines.map((text): [string, string] => {
    const colon = text.indexOf(":");
    if (colon < 1) throw new HttpSyntaxError("Header line has no colon");
    return [text.slice(0, colon), text.slice(colon + 1).trim()];
  });
  const header = (name: string): string | null =>
    rawHeaders.find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1] ?? null;
  const length = header("Content-Length") ?? "0";
  const encoding = header("Transfer-Encoding");
  if (!/^\d+$/.test(length)) throw new HttpSyntaxError("Content-Length is not valid");
  if (encoding !== null && !/^chunked$/i.test(encoding)) {
    throw new HttpSyntaxError("Transfer-Encoding is not known");
  }
  const path = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/]*/, "") || "/";
  return {
    method,
    target,
    url: new URL(`http://unknown${path.startsWith("/") ? path : "/"}`),
    version: minor === "0" ? "1.0" : "1.1",
    rawHeaders,
    header,
    body: () => encoding === null ? sized(wire, Number(length)) : chunked(wire),
  };
}

async function* sized(wire: Wire, length: number): AsyncGenerator<Uint8Array> {
  for (let left = length; left > 0;) {
    const chunk = await wire.read();
    if (chunk === null) throw new HttpSyntaxError("Body ended early");
    const piece = chunk.subarray(0, left);
    wire.unread(chunk.subarray(piece.length));
    left -= piece.length;
    yield piece;
  }
}

async function* chunked(wire: Wire): AsyncGenerator<Uint8Array> {
  while (true) {
    const size = parseInt(await readThrough(wire, "\r\n") ?? "", 16);
    if (Number.isNaN(size)) throw new HttpSyntaxError("Chunk size is not valid");
    if (size === 0) break;
    yield* sized(wire, size);
    await readThrough(wire, "\r\n");
  }
  while (![null, "\r\n"].includes(await readThrough(wire, "\r\n"))) { /* trailers */ }
}
