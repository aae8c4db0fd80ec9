import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { concat, copyStream, readAll, readExactly, send, text } from "./memory_stream.ts";

/** The endpoint that a client asked the ingress for. */
export interface Asked {
  readonly host: string;
  readonly port: number;
}

/** A connection of the ingress, with TLS or without. */
export type Conn = Deno.TcpConn | Deno.TlsConn;

/** The fields of a ConnResponse, by their numbers. */
export type Answer = Partial<Record<1 | 2 | 3 | 4, string>> & { notices?: readonly string[] };

/** Encodes the frame of an answer. */
export function answerFrame(answer: Answer): Uint8Array {
  const { notices = [], ...texts } = answer;
  const writer = new BinaryWriter();
  for (const [field, value] of Object.entries(texts)) {
    writer.tag(Number(field), WireType.LengthDelimited).string(value);
  }
  for (const notice of notices) {
    const body = new BinaryWriter().tag(1, WireType.LengthDelimited).string(notice).finish();
    writer.tag(5, WireType.LengthDelimited).bytes(body);
  }
  const body = writer.finish();
  return concat([Uint8Array.of(body.length & 255, body.length >> 8), body]);
}

/** An answer that accepts the request. */
export const WELCOME = answerFrame({ 1: "ep_1", 2: "http" });

/** Serves one connection whose request has been read. */
export type Behaviour = (conn: Conn, asked: Asked) => Promise<void> | void;

/** An ingress on a free port of 127.0.0.1. */
export interface FakeIngress extends AsyncDisposable {
  readonly port: number;
  /** The requests, in the order of their arrival. */
  readonly asked: Asked[];
  readonly open: ReadonlySet<Conn>;
  behave: Behaviour;
}

/**
 * Starts an ingress that reads each request, then runs `behave`. With a certificate it speaks TLS,
 * but requests no client certificate, which `Deno.listenTls` cannot.
 */
export function fakeIngress(
  behave: Behaviour,
  options: { tls?: { cert: string; key: string } } = {},
): FakeIngress {
  const where = { hostname: "127.0.0.1", port: 0 };
  const listener: Deno.Listener<Conn, Deno.NetAddr> = options.tls === undefined
    ? Deno.listen(where)
    : Deno.listenTls({ ...where, ...options.tls });
  const open = new Set<Conn>();
  const running = new Set<Promise<void>>();
  const ingress: FakeIngress = {
    port: listener.addr.port,
    asked: [],
    open,
    behave,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of open) conn.close();
      await Promise.all(running);
    },
  };
  async function serve(conn: Conn): Promise<void> {
    if ("setNoDelay" in conn) conn.setNoDelay(true);
    open.add(conn);
    try {
      const asked = await readAsked(conn);
      if (asked === undefined) return;
      ingress.asked.push(asked);
      await ingress.behave(conn, asked);
    } catch (error) {
      if (!isEnd(error)) throw error;
    } finally {
      open.delete(conn);
      try {
        conn.close();
      } catch {
        // Closed by its behaviour.
      }
    }
  }
  async function accept(): Promise<void> {
    for (;;) {
      let conn: Conn;
      try {
        conn = await listener.accept();
      } catch {
        return;
      }
      const serving = serve(conn).finally(() => running.delete(serving));
      running.add(serving);
    }
  }
  const accepting = accept();
  return ingress;
}

/**
 * True if the client is gone, the test closed the connection, or the TLS handshake failed
 * (InvalidData).
 */
function isEnd(error: unknown): boolean {
  const { BadResource, Interrupted, BrokenPipe, ConnectionReset, InvalidData, UnexpectedEof, NotConnected } =
    Deno.errors;
  return [BadResource, Interrupted, BrokenPipe, ConnectionReset, InvalidData, UnexpectedEof, NotConnected]
    .some((kind) => error instanceof kind);
}

async function readAsked(conn: Conn): Promise<Asked | undefined> {
  const header = await readExactly(conn, 2);
  if (header.length < 2) return undefined;
  const length = header[0]! | (header[1]! << 8);
  const reader = new BinaryReader(await readExactly(conn, length));
  const asked = { host: "", port: 0 };
  while (reader.pos < reader.len) {
    const [field] = reader.tag();
    if (field === 1) asked.host = reader.string();
    else asked.port = Number(reader.int64());
  }
  return asked;
}

/** Accepts the request, then returns all bytes. */
export async function echo(conn: Conn): Promise<void> {
  await send(conn, WELCOME);
  await copyStream(conn, conn);
}

/** An HTTP answer without a body. */
export const NO_CONTENT = "HTTP/1.1 204 No Content\r\n\r\n";

/**
 * Accepts the request, collects all bytes up to the end, and then answers with
 * {@linkcode NO_CONTENT}.
 */
export function collect(into: string[]): Behaviour {
  return async (conn) => {
    await send(conn, WELCOME);
    into.push(text(await readAll(conn)));
    await send(conn, NO_CONTENT);
  };
}

/**
 * Accepts the request, then answers each HTTP request with its own head and body (Content-Length
 * only).
 */
export function httpMirror(conn: Conn): Promise<void> {
  return mirror(conn, () => {});
}

/** As {@linkcode httpMirror}, and collects the requests for each host. */
export function mirrorInto(seen: Map<string, string>): Behaviour {
  return (conn, { host }) =>
    mirror(conn, (request) => {
      seen.set(host, (seen.get(host) ?? "") + request);
    });
}

async function mirror(conn: Conn, onRequest: (request: string) => void): Promise<void> {
  await send(conn, WELCOME);
  const buffer = new Uint8Array(65_536);
  let received = "";
  for (;;) {
    const end = received.indexOf("\r\n\r\n") + 4;
    const body = Number(/content-length: ([0-9]+)/i.exec(received.slice(0, Math.max(0, end)))?.[1] ?? 0);
    if (end > 3 && received.length >= end + body) {
      const request = received.slice(0, end + body);
      received = received.slice(end + body);
      onRequest(request);
      await send(conn, `HTTP/1.1 200 OK\r\nContent-Length: ${request.length}\r\n\r\n${request}`);
      continue;
    }
    const count = await conn.read(buffer);
    if (count === null) break;
    received += String.fromCharCode(...buffer.subarray(0, count));
  }
  await conn.closeWrite();
}
