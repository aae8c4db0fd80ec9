import { frameMessage } from "../../src/dns/frame.ts";
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { message } from "../dns/messages.ts";
import { clientHello, records } from "../fakes/client_hello.ts";
import type { Crowd, Stays } from "./flood_clients.ts";
import { type ProcessFigures, processFigures } from "../../bench/process_figures.ts";
import { Stage } from "../../sim/stage.ts";

/** How many clients of each kind there are on each listener. */
export type FloodSize = Pick<Crowd, "silent" | "garbage" | "dripping">;

/** What RELIABILITY.md R25 asks for. */
export const FULL: FloodSize = { silent: 2000, garbage: 500, dripping: 500 };

const MAX_P99_MS = 500;
const MAX_STAY_MS = 6_000;
const MAX_DESCRIPTORS = 10;
/** For the 3,000 clients that R25 counts, at 22 KiB each and a little more; here each listener has so many. */
const MAX_MIB_EACH_3000 = 80;
const BACK_WITHIN_MS = 20_000;
/** An honest client every so often, on each listener. */
const PACE_MS = 25;

/** What the flood came to. Times in milliseconds. */
export interface FloodResult {
  readonly p99Ms: number;
  readonly requests: number;
  readonly longestStayMs: number;
  readonly before: ProcessFigures;
  /** The most memory that was seen. */
  readonly peakMiB: number;
  readonly after: ProcessFigures;
  readonly problems: readonly string[];
}

const ADDRESS = "127.115.0.1";
const HTTP_PORT = 8080;
const TLS_PORT = 8443;
const DNS_PORT = 8053;
/** A header of 12 octets begins with the id; the response code is the low half of the fourth one, the answers are counted in the seventh. */
const QUERY = message({ name: "a.flood" });

/** Floods both shared listeners of a daemon of its own and its DNS server by TCP at once, while honest clients make requests. */
export async function flood(size: FloodSize): Promise<FloodResult> {
  await using stage = await Stage.open({
    dns: `enabled: true\nlisten: ${ADDRESS}:${DNS_PORT}`,
    sections: `net:\n  listen_interface: ${ADDRESS}\n  subnet: 127.115.0.0/16`,
  });
  for (const name of ["a", "b"]) {
    stage.cloud.addEndpoint({ url: `http://${name}.flood:${HTTP_PORT}`, backend: "echo" });
    stage.cloud.addEndpoint({ url: `tls://${name}.flood:${TLS_PORT}`, backend: "echo" });
  }
  stage.startDaemon();
  await stage.settled(4);
  const problems: string[] = [];
  for (let count = 0; count < 100; count++) await Promise.all(ASKS.map((ask) => ask()));
  await idle(stage);
  const before = await processFigures(stage.pid);

  const times: number[] = [];
  let peakMiB = before.rssMiB;
  const over = new AbortController();
  async function honest(ask: () => Promise<void>): Promise<void> {
    while (!over.signal.aborted) {
      const start = performance.now();
      try {
        await ask();
      } catch (error) {
        problems.push(`an honest client failed: ${error}`);
      }
      times.push(performance.now() - start);
      await pause(PACE_MS);
    }
  }
  async function watch(): Promise<void> {
    while (!over.signal.aborted) {
      peakMiB = Math.max(peakMiB, (await processFigures(stage.pid)).rssMiB);
      await pause(500);
    }
  }
  const running = Promise.all([...ASKS.map(honest), watch()]);
  const crowds = await Promise.all([
    startCrowd({ ...size, hostname: ADDRESS, port: HTTP_PORT, protocol: "http" }),
    startCrowd({ ...size, hostname: ADDRESS, port: TLS_PORT, protocol: "tls" }),
    startCrowd({ ...size, hostname: ADDRESS, port: DNS_PORT, protocol: "dns" }),
  ]);
  over.abort();
  await running;
  await idle(stage);
  const after = await figuresBackTo(before, stage.pid);

  times.sort((a, b) => a - b);
  const p99Ms = times[Math.ceil(times.length * 0.99) - 1]!;
  const longestStayMs = Math.max(...crowds.map(({ stays }) => stays.at(-1) ?? 0));
  if (p99Ms > MAX_P99_MS) problems.push(`the p99 of honest clients was ${p99Ms.toFixed(0)} ms`);
  if (longestStayMs > MAX_STAY_MS) problems.push(`one could stay for ${longestStayMs.toFixed(0)} ms`);
  if (!isBack(before, after)) {
    problems.push(`descriptors went from ${before.descriptors} to ${after.descriptors}`);
  }
  const clients = crowds.reduce((sum, { stays }) => sum + stays.length, 0);
  if (peakMiB - before.rssMiB > MAX_MIB_EACH_3000 * Math.max(1, clients / 3000)) {
    problems.push(`memory grew from ${before.rssMiB.toFixed(0)} to ${peakMiB.toFixed(0)} MiB`);
  }
  const failed = crowds.reduce((sum, crowd) => sum + crowd.failed, 0);
  if (failed > 0) problems.push(`${failed} connections of the flood did not come about`);
  if (stage.log.length > 100) problems.push(`the daemon logged ${stage.log.length} lines`);
  return { p99Ms, requests: times.length, longestStayMs, before, peakMiB, after, problems };
}

/** In a process of its own that comes last for a processor: in the world, the flood has machines of its own. */
async function startCrowd(crowd: Crowd): Promise<Stays> {
  const { success, stdout } = await new Deno.Command("nice", {
    args: [
      ...[
        "-n19",
        Deno.execPath(),
        "run",
        `--allow-net=${crowd.hostname}`,
        "--no-prompt",
        "--quiet",
        "--no-check",
      ],
      new URL("./flood_clients.ts", import.meta.url).pathname,
      JSON.stringify(crowd),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("Cannot run the clients of the flood: see above");
  return JSON.parse(new TextDecoder().decode(stdout));
}

const ASKS = [askHttp, askTls, askDns];

async function askHttp(): Promise<void> {
  await exchange(HTTP_PORT, new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a.flood\r\n\r\n"));
}

async function askTls(): Promise<void> {
  await exchange(TLS_PORT, records(clientHello({ name: "b.flood" })));
}

/**
 * From the very address that the flood comes from: what one source may hold is shared with it, so that its connection may be put out
 * before its question was read. It asks once more then, as RFC 7766 6.2.4 wants of clients; the time of both counts.
 */
async function askDns(): Promise<void> {
  if (!await askDnsOnce() && !await askDnsOnce()) {
    throw new Error("No answer of the DNS server: it closed the connection twice");
  }
}

/** False if the connection was closed without an answer. */
async function askDnsOnce(): Promise<boolean> {
  using conn = await Deno.connect({ hostname: ADDRESS, port: DNS_PORT });
  await conn.write(frameMessage(QUERY));
  const answer = new Uint8Array(512);
  let have = 0;
  while (have < 2 || have < 2 + (answer[0]! << 8 | answer[1]!)) {
    const count = await conn.read(answer.subarray(have));
    if (count === null) return false;
    have += count;
  }
  const reply = answer.subarray(2);
  if (reply[0] !== QUERY[0] || reply[1] !== QUERY[1] || (reply[3]! & 15) !== 0 || reply[7] !== 1) {
    throw new Error(`Another answer of the DNS server: ${reply.subarray(0, 12).toHex()}`);
  }
  return true;
}

/** Both endpoints give back what they get. */
async function exchange(port: number, bytes: Uint8Array): Promise<void> {
  using conn = await Deno.connect({ hostname: ADDRESS, port });
  await conn.write(bytes);
  await conn.closeWrite();
  const answer = new Uint8Array(bytes.length + 1);
  let have = 0;
  for (let count = await conn.read(answer); count !== null; count = await conn.read(answer.subarray(have))) {
    have += count;
  }
  if (have !== bytes.length) throw new Error(`${have} bytes came back of ${bytes.length}`);
}

async function idle(stage: Stage): Promise<void> {
  await stage.until("all connections have ended", async () => {
    const rows = await stage.askList();
    return rows.every((row) => row.open_connections === 0) && stage.cloud.openStreams === 0;
  }, 60_000);
}

function isBack(before: ProcessFigures, after: ProcessFigures): boolean {
  return Math.abs(after.descriptors - before.descriptors) <= MAX_DESCRIPTORS;
}

async function figuresBackTo(before: ProcessFigures, pid: number): Promise<ProcessFigures> {
  for (const end = Date.now() + BACK_WITHIN_MS;;) {
    const now = await processFigures(pid);
    if (isBack(before, now) || Date.now() > end) return now;
    await pause(250);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (import.meta.main) {
  const { p99Ms, requests, longestStayMs, before, peakMiB, after, problems } = await flood(FULL);
  writeOut(`${requests} honest requests, p99 ${p99Ms.toFixed(0)} ms\n`);
  writeOut(`longest stay of the others: ${(longestStayMs / 1000).toFixed(1)} s\n`);
  writeOut(`descriptors ${before.descriptors} → ${after.descriptors}\n`);
  writeOut(`memory ${before.rssMiB.toFixed(1)}, at most ${peakMiB.toFixed(1)} MiB\n`);
  for (const problem of problems) writeErr(`Problem: ${problem}\n`);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
