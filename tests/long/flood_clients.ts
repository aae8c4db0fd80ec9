import { frameMessage } from "../../src/dns/frame.ts";
import { message } from "../dns/messages.ts";
import { clientHello, records } from "../fakes/client_hello.ts";

/** Whom the clients of one process annoy, and how many of each kind. */
export interface Crowd {
  readonly hostname: string;
  readonly port: number;
  readonly protocol: "http" | "tls" | "dns";
  readonly silent: number;
  readonly garbage: number;
  readonly dripping: number;
}

/** How long the daemon let them stay, in milliseconds, the longest last. */
export interface Stays {
  readonly stays: readonly number[];
  /** Connections that did not come about. */
  readonly failed: number;
}

const DRIP_MS = 200;
/** What takes too long to say at one byte a time. */
const SLOW: Readonly<Record<Crowd["protocol"], () => Uint8Array>> = {
  http: () => new TextEncoder().encode(`GET /${"x".repeat(300)} HTTP/1.1\r\nHost: a.flood\r\n\r\n`),
  tls: () => records(clientHello({ name: "a.flood", padding: 300 })),
  dns: () => frameMessage(message({ name: "a.flood", additional: [new Uint8Array(300)] })),
};
/** All come within three seconds. Faster, two processors are busy with the clients rather than with the daemon. */
const CONNECTS_PER_TICK = 25;
const TICK_MS = 25;

type Annoy = (conn: Deno.TcpConn, gone: AbortSignal) => Promise<void>;

/** Connects all of them and waits until the daemon has closed each. */
export async function annoy(crowd: Crowd): Promise<Stays> {
  const { hostname, port, protocol, silent, garbage, dripping } = crowd;
  const slow = SLOW[protocol]();
  const kinds: Annoy[] = [
    ...Array<Annoy>(silent).fill(() => Promise.resolve()),
    ...Array<Annoy>(garbage).fill(sendGarbage),
    ...Array<Annoy>(dripping).fill((conn, gone) => drip(conn, slow, gone)),
  ];
  kinds.sort(() => Math.random() - 0.5);
  const stays: number[] = [];
  let failed = 0;
  const ends: Promise<void>[] = [];
  async function one(annoyIt: Annoy): Promise<void> {
    let conn: Deno.TcpConn;
    try {
      conn = await Deno.connect({ hostname, port });
    } catch {
      failed++;
      return;
    }
    const since = performance.now();
    const gone = new AbortController();
    ends.push((async () => {
      using _conn = conn;
      void annoyIt(conn, gone.signal).catch(() => {});
      const buffer = new Uint8Array(512);
      try {
        while (await conn.read(buffer) !== null);
      } catch {
        // Reset: gone too.
      }
      gone.abort();
      stays.push(performance.now() - since);
    })());
  }
  for (let at = 0; at < kinds.length; at += CONNECTS_PER_TICK) {
    const tick = new Promise((resolve) => setTimeout(resolve, TICK_MS));
    await Promise.all(kinds.slice(at, at + CONNECTS_PER_TICK).map(one));
    await tick;
  }
  await Promise.all(ends);
  return { stays: stays.sort((a, b) => a - b), failed };
}

async function sendGarbage(conn: Deno.TcpConn): Promise<void> {
  await conn.write(crypto.getRandomValues(new Uint8Array(1 + Math.floor(Math.random() * 2000))));
}

async function drip(conn: Deno.TcpConn, bytes: Uint8Array, gone: AbortSignal): Promise<void> {
  for (let at = 0; at < bytes.length && !gone.aborted; at++) {
    await conn.write(bytes.subarray(at, at + 1));
    await new Promise((resolve) => setTimeout(resolve, DRIP_MS));
  }
}

if (import.meta.main) {
  const { writeOut } = await import("../../src/system/terminal.ts");
  writeOut(`${JSON.stringify(await annoy(JSON.parse(Deno.args[0]!)))}\n`);
}
