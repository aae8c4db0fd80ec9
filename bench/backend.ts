// The end of every measured path: receives uploads, sends downloads, echoes. It is a process of its
// own, so that its CPU time is counted apart.
import { encodeFrame, encodeResponse } from "../sim/cloud/frame.ts";
import { answerLines } from "./answer_lines.ts";
import { writeAll } from "../src/system/byte_stream.ts";
import { BLOCK_BYTES, decodeOrder, encodeOrder, readExactly, UploadEnd } from "./exchange.ts";

/** The first question, which starts the listeners. */
export interface BackendStart {
  /** PEM for TLS on the framed port. Used if no other program terminates TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/**
 * The port for plain streams, and the port that expects an upgrade frame (docs/protocol.md 3.2).
 */
export interface BackendPorts {
  readonly plain: number;
  readonly framed: number;
}

const HOSTNAME = "127.0.0.1";
const ACCEPTED = encodeFrame(encodeResponse({ endpointId: "ep_bench", proto: "tcp" }));
const BLOCK = new Uint8Array(BLOCK_BYTES);

function start(options: BackendStart): BackendPorts {
  const { tls } = options;
  const plain = Deno.listen({ hostname: HOSTNAME, port: 0 });
  const framed = tls === undefined
    ? Deno.listen({ hostname: HOSTNAME, port: 0 })
    : Deno.listenTls({ hostname: HOSTNAME, port: 0, ...tls });
  acceptAll(plain, serve);
  acceptAll(framed, async (conn) => {
    const length = await readExactly(conn, 2);
    if (length === null) return;
    await readExactly(conn, new DataView(length.buffer).getUint16(0, true));
    await writeAll(conn, ACCEPTED);
    await serve(conn);
  });
  return { plain: plain.addr.port, framed: framed.addr.port };
}

async function acceptAll(listener: Deno.Listener, handle: (conn: Deno.Conn) => Promise<void>): Promise<void> {
  for (;;) {
    const conn = await listener.accept();
    handle(conn).catch(() => {}).finally(() => conn.close());
  }
}

async function serve(conn: Deno.Conn): Promise<void> {
  if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
  for (;;) {
    const bytes = await readExactly(conn, 4);
    if (bytes === null) return;
    const order = decodeOrder(bytes);
    await writeAll(conn, encodeOrder(order));
    if (order === "upld") return await takeUpload(conn);
    if (order === "down") return await sendDownload(conn);
  }
}

async function takeUpload(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(BLOCK_BYTES);
  const end = new UploadEnd();
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) return;
    if (end.take(buffer.subarray(0, count))) break;
  }
  await writeAll(conn, encodeOrder("upld"));
  // The client closes first, because the first to close keeps its port in TIME_WAIT.
  await conn.read(buffer);
}

async function sendDownload(conn: Deno.Conn): Promise<void> {
  const durationMs = await readExactly(conn, 4);
  if (durationMs === null) return;
  const end = performance.now() + new DataView(durationMs.buffer).getUint32(0);
  do await writeAll(conn, BLOCK); while (performance.now() < end);
}

if (import.meta.main) {
  await answerLines((question) => Promise.resolve(start(question as BackendStart)));
  Deno.exit();
}
