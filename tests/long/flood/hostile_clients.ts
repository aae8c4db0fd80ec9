// The hostile clients of one listener. The flood runs this file as a process of its own.
import { sleep } from "../../../src/system/clock.ts";
import { frameMessage } from "../../../src/dns/frame.ts";
import { writeOut } from "../../../src/system/terminal.ts";
import { message } from "../../dns/messages.ts";
import { clientHello, records } from "../../fakes/client_hello.ts";

const DRIP_MS = 200;
/** Requests that take at least a minute at one byte in 200 ms. */
const SLOW_REQUESTS: Readonly<Record<Attack["protocol"], () => Uint8Array>> = {
  http: () => new TextEncoder().encode(`GET /${"x".repeat(300)} HTTP/1.1\r\nHost: a.flood\r\n\r\n`),
  tls: () => records(clientHello({ name: "a.flood", padding: 300 })),
  dns: () => frameMessage(message({ name: "a.flood", additional: [new Uint8Array(300)] })),
};
/**
 * All clients connect within three seconds. A faster attack keeps two processors busy with the
 * clients rather than with the daemon.
 */
const CONNECTS_PER_TICK = 25;
const TICK_MS = 25;

type Behaviour = (conn: Deno.TcpConn, closed: AbortSignal) => Promise<void>;

/** Connects all clients, and waits until the daemon has closed every connection. */
export async function attack(options: Attack): Promise<AttackResult> {
  const { hostname, port, protocol, silent, garbage, dripping } = options;
  const slowRequest = SLOW_REQUESTS[protocol]();
  const clients: Behaviour[] = [
    ...Array<Behaviour>(silent).fill(() => Promise.resolve()),
    ...Array<Behaviour>(garbage).fill(sendGarbage),
    ...Array<Behaviour>(dripping).fill((conn, closed) => drip(conn, slowRequest, closed)),
  ];
  clients.sort(() => Math.random() - 0.5);
  const staysMs: number[] = [];
  let failed = 0;
  const ends: Promise<void>[] = [];
  async function connect(behave: Behaviour): Promise<void> {
    try {
      ends.push(stay(await Deno.connect({ hostname, port }), behave));
    } catch {
      failed++;
    }
  }
  async function stay(conn: Deno.TcpConn, behave: Behaviour): Promise<void> {
    using _conn = conn;
    const connectedAt = performance.now();
    const closed = new AbortController();
    behave(conn, closed.signal).catch(() => {});
    const buffer = new Uint8Array(512);
    try {
      while (await conn.read(buffer) !== null);
    } catch {
      // The daemon has reset the connection.
    }
    closed.abort();
    staysMs.push(performance.now() - connectedAt);
  }
  for (let at = 0; at < clients.length; at += CONNECTS_PER_TICK) {
    const tick = sleep(TICK_MS);
    await Promise.all(clients.slice(at, at + CONNECTS_PER_TICK).map(connect));
    await tick;
  }
  await Promise.all(ends);
  return { clients: clients.length, failed, longestStayMs: Math.max(0, ...staysMs) };
}

/** The listener under attack, and the number of clients of each kind. */
export interface Attack {
  readonly hostname: string;
  readonly port: number;
  readonly protocol: "http" | "tls" | "dns";
  /** Clients that send nothing. */
  readonly silent: number;
  /** Clients that send random bytes. */
  readonly garbage: number;
  /** Clients that send a request one byte at a time. */
  readonly dripping: number;
}

/** The end of an attack. */
export interface AttackResult {
  readonly clients: number;
  /** The clients that could not connect. */
  readonly failed: number;
  /** The longest time that the daemon kept a connection open. */
  readonly longestStayMs: number;
}

async function sendGarbage(conn: Deno.TcpConn): Promise<void> {
  await conn.write(crypto.getRandomValues(new Uint8Array(1 + Math.floor(Math.random() * 2000))));
}

async function drip(conn: Deno.TcpConn, bytes: Uint8Array, closed: AbortSignal): Promise<void> {
  for (let at = 0; at < bytes.length && !closed.aborted; at++) {
    await conn.write(bytes.subarray(at, at + 1));
    await sleep(DRIP_MS);
  }
}

if (import.meta.main) writeOut(`${JSON.stringify(await attack(JSON.parse(Deno.args[0]!)))}\n`);
