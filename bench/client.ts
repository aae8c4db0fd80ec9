// Puts load on the measured path. A process of its own, the same for every subject.
import { answerLines } from "./answer_lines.ts";
import { writeAll } from "../src/system/byte_stream.ts";
import { BLOCK_BYTES, encodeOrder, LAST_BLOCK, type Order, readExactly } from "./exchange.ts";

/** The address where the measured path begins. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/**
 * A request to the client. A transfer is opened first and run then, so that it does not include
 * connecting.
 */
export type ClientQuestion =
  | {
    readonly kind: "open";
    readonly address: Address;
    readonly order: "upld" | "down";
    readonly streams: number;
  }
  | { readonly kind: "run"; readonly durationMs: number }
  | {
    readonly kind: "connect";
    readonly address: Address;
    readonly workers: number;
    readonly count: number;
    readonly limitMs: number;
  };

/** The result of a transfer: the bytes that arrived, and the time until the last one. */
export interface Transfer {
  readonly bytes: number;
  readonly seconds: number;
}

/** The time of each connect + 4-byte echo in milliseconds, and of all of them in seconds. */
export interface Connects {
  readonly timesMs: number[];
  readonly seconds: number;
}

let opened: { order: "upld" | "down"; conns: Deno.TcpConn[] } | undefined;

async function answer(question: ClientQuestion): Promise<Transfer | Connects | null> {
  if (question.kind === "connect") return await connectMany(question);
  if (question.kind === "run") return await transfer(question.durationMs);
  const { address, order, streams } = question;
  const conns = await Promise.all(Array.from({ length: streams }, () => openStream(address, order)));
  opened = { order, conns };
  return null;
}

async function openStream(address: Address, order: Order): Promise<Deno.TcpConn> {
  const conn = await Deno.connect(address);
  conn.setNoDelay(true);
  await writeAll(conn, encodeOrder(order));
  const reply = await readExactly(conn, 4);
  if (reply === null) {
    throw new Error(`Cannot start a stream to ${address.hostname}:${address.port}: it was closed`);
  }
  return conn;
}

async function transfer(durationMs: number): Promise<Transfer> {
  if (opened === undefined) throw new Error("Cannot run a transfer: no stream is open");
  const { order, conns } = opened;
  opened = undefined;
  const start = performance.now();
  const counts = await Promise.all(
    conns.map((conn) => order === "upld" ? upload(conn, start + durationMs) : download(conn, durationMs)),
  );
  const seconds = (performance.now() - start) / 1000;
  for (const conn of conns) conn.close();
  return { bytes: counts.reduce((sum, count) => sum + count), seconds };
}

async function upload(conn: Deno.Conn, end: number): Promise<number> {
  const block = new Uint8Array(BLOCK_BYTES);
  let sent = 0;
  for (; performance.now() < end; sent += BLOCK_BYTES) await writeAll(conn, block);
  block[0] = LAST_BLOCK;
  await writeAll(conn, block);
  if (await readExactly(conn, 4) === null) throw new Error("Cannot finish an upload: the stream was closed");
  return sent + BLOCK_BYTES;
}

async function download(conn: Deno.Conn, durationMs: number): Promise<number> {
  const request = new DataView(new ArrayBuffer(4));
  request.setUint32(0, durationMs);
  await writeAll(conn, new Uint8Array(request.buffer));
  const buffer = new Uint8Array(BLOCK_BYTES);
  let received = 0;
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) break;
    received += count;
  }
  if (received === 0 || received % BLOCK_BYTES !== 0) {
    throw new Error(`Cannot finish a download: the stream ended after ${received} bytes`);
  }
  return received;
}

async function connectMany(question: Extract<ClientQuestion, { kind: "connect" }>): Promise<Connects> {
  const { address, workers, count, limitMs } = question;
  const timesMs: number[] = [];
  const start = performance.now();
  let left = count;
  async function work(): Promise<void> {
    while (left-- > 0 && performance.now() < start + limitMs) {
      const before = performance.now();
      const conn = await openStream(address, "echo");
      timesMs.push(performance.now() - before);
      conn.close();
    }
  }
  await Promise.all(Array.from({ length: workers }, work));
  return { timesMs, seconds: (performance.now() - start) / 1000 };
}

if (import.meta.main) {
  await answerLines((question) => answer(question as ClientQuestion));
  Deno.exit();
}
