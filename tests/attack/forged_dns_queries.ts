// Sends DNS queries from many addresses beside honest ones. An attack runs it as a process.
import { sleep } from "../../src/system/clock.ts";
import { writeOut } from "../../src/system/terminal.ts";
import { listenUdp, type UdpSocket } from "../../src/system/udp.ts";
import { askUdp } from "../dns/client.ts";
import { decode, message } from "../dns/messages.ts";

const TICK_MS = 10;

/** Sends both kinds of queries, and returns the replies to the honest ones. */
export async function sendQueries(options: ForgedQueries): Promise<HonestReply[]> {
  const { server, senders, perSecond, fillMs, honest, honestFrom } = options;
  const sockets = senders.map((address) => listenUdp({ address, port: 0 }));
  const stop = new AbortController();
  const flood = sendForged(sockets, { server, perSecond, signal: stop.signal });
  await sleep(fillMs);
  const replies: HonestReply[] = [];
  for (let count = 0; count < honest; count++) {
    const start = performance.now();
    const query = message({ name: `honest${perSecond}x${count}.example.org` });
    const reply = await askUdp(query, { port: 53, server, from: honestFrom, timeoutMs: 5000 }).then(
      decode,
      () => undefined,
    );
    replies.push({ rcode: reply?.rcode ?? "none", ms: performance.now() - start });
  }
  stop.abort();
  await flood;
  for (const socket of sockets) socket.close();
  return replies;
}

/** The queries of one attack. */
export interface ForgedQueries {
  readonly server: string;
  /** The addresses that the queries come from; nobody answers their names. */
  readonly senders: readonly string[];
  readonly perSecond: number;
  /** The time of the flood before the first honest query. */
  readonly fillMs: number;
  readonly honest: number;
  readonly honestFrom: string;
}

/** The reply to an honest query. */
export interface HonestReply {
  /** `none` if there was no reply. */
  readonly rcode: string;
  readonly ms: number;
}

async function sendForged(
  sockets: readonly UdpSocket[],
  options: Pick<ForgedQueries, "server" | "perSecond"> & { signal: AbortSignal },
): Promise<void> {
  const { server, perSecond, signal } = options;
  const start = performance.now();
  for (let sent = 0; !signal.aborted; await sleep(TICK_MS)) {
    for (const due = (performance.now() - start) * perSecond / 1000; sent < due; sent++) {
      const query = message({ name: `silent${perSecond}x${sent}.example.org` });
      await sockets[sent % sockets.length]!.send(query, { hostname: server, port: 53 });
    }
  }
}

if (import.meta.main) writeOut(`${JSON.stringify(await sendQueries(JSON.parse(Deno.args[0]!)))}\n`);
