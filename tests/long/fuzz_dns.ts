// Puts hostile messages on the DNS server, as a process of its own, by UDP, TCP and from its upstream, and sees that it goes on as before.
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { SeededRandom } from "../../sim/cloud/seeded_random.ts";
import { askUdp, TcpClient } from "../dns/client.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { decode, message, replyTo } from "../dns/messages.ts";
import { hostileMessage, mutate } from "./dns/hostile.ts";
import { benchNames } from "./dns/names.ts";
import { startServer } from "./dns/server_process.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { processFigures } from "../../bench/process_figures.ts";

/** Options of {@linkcode fuzzDns}. */
export interface FuzzOptions {
  /** How many messages, those of the warm-up apart. */
  readonly count: number;
  /** How many messages come before memory is measured for the first time: the runtime grows to its working size under the same load. */
  readonly warmUp: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

/** What came of it. */
export interface FuzzResult {
  /** Good queries that were answered rightly in between. */
  readonly goodAnswers: number;
  readonly rssMiB: { readonly before: number; readonly after: number };
}

const BATCH = 40;
/** What a socket's buffer surely holds, with a kilobyte beside each datagram: then a good query is answered, so that none was lost. */
const BUFFER_BYTES = 100_000;
/** Every so many batches one goes by TCP. */
const TCP_EVERY = 10;
const SAY_EVERY = 50_000;
/** A good query that is not answered in this time is a failure. */
const ANSWER_MS = 5_000;

/** Sends so many hostile messages; throws if the server ends, or does not answer a good query by UDP or TCP at least every 1,000. */
export async function fuzzDns(options: FuzzOptions): Promise<FuzzResult> {
  const { count, warmUp, seed, say = () => {} } = options;
  const random = new SeededRandom(seed);
  await using stack = new AsyncDisposableStack();
  // What an upstream sends first is as wrong as what the clients send; the right answer follows, so that nothing waits for long.
  const upstream = stack.use(
    new FakeUpstream((request) => {
      const right = replyTo(request, { addresses: ["192.0.2.1"] });
      return [mutate(right, random), right];
    }),
  );
  const { child, port } = await startServer(stack, { upstreamPort: upstream.port });
  const sender = listenUdp({ address: "127.0.0.1", port: 0 });
  stack.defer(() => sender.close());
  let before = 0;
  let goodAnswers = 0;
  for (let sent = 0; sent < warmUp + count; sent += BATCH) {
    const messages = Array.from({ length: BATCH }, () => hostileMessage(random));
    if (sent % (BATCH * TCP_EVERY) === 0) {
      await Promise.all(messages.map((bytes) => sendByTcp(port, bytes, random)));
      await inTime(askByTcp(port, goodAnswers++));
    } else {
      let buffered = 0;
      for (const bytes of messages) {
        buffered += bytes.length + 1000;
        if (buffered > BUFFER_BYTES) {
          await inTime(askByUdp(port, goodAnswers++));
          buffered = bytes.length + 1000;
        }
        await sender.send(bytes, { hostname: "127.0.0.1", port });
      }
      await inTime(askByUdp(port, goodAnswers++));
    }
    upstream.requests.length = 0;
    await child.assertRunning();
    if (sent <= warmUp && sent + BATCH > warmUp) before = (await processFigures(child.pid)).rssMiB;
    if (sent > 0 && sent % SAY_EVERY === 0) {
      const { rssMiB } = await processFigures(child.pid);
      say(`${sent} messages, ${goodAnswers} good answers, ${rssMiB.toFixed(1)} MiB`);
    }
  }
  const after = (await processFigures(child.pid)).rssMiB;
  return { goodAnswers, rssMiB: { before, after } };
}

/** A message in its frame, or in a wrong one; the server ends the connection when it will. */
async function sendByTcp(port: number, bytes: Uint8Array, random: SeededRandom): Promise<void> {
  using client = await TcpClient.connect(port);
  try {
    const framed = new Uint8Array([bytes.length >> 8, bytes.length & 255, ...bytes]);
    await client.send(random.next() < 0.2 ? mutate(framed, random) : framed);
    await client.end();
    while (await client.next() !== undefined);
  } catch {
    // It was reset: what we sent is not what a client sends.
  }
}

async function askByUdp(port: number, id: number): Promise<void> {
  const { query, check } = goodQuery(id);
  check(await askUdp(query, { port }));
}

async function askByTcp(port: number, id: number): Promise<void> {
  const { query, check } = goodQuery(id);
  using client = await TcpClient.connect(port);
  check(await client.exchange(query));
}

function goodQuery(number: number): { query: Uint8Array; check: (reply: Uint8Array | undefined) => void } {
  const names = benchNames();
  const { hostname, address } = names[number % names.length]!;
  const id = number & 0xffff;
  return {
    query: message({ name: hostname, id }),
    check(reply) {
      const { id: got, answers } = decode(reply ?? new Uint8Array());
      if (got === id && answers[0]?.data === address) return;
      throw new Error(`Cannot go on: a wrong answer for ${hostname}: ${JSON.stringify(answers)}`);
    },
  };
}

async function inTime(task: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`Cannot go on: a good query has no answer in ${ANSWER_MS / 1000} s`)),
    ANSWER_MS,
  );
  try {
    await Promise.race([task, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const MAX_GROWTH_MIB = 20;

if (import.meta.main) {
  const [count = "1000000", seed = `${Math.floor(Math.random() * 1e9)}`] = Deno.args;
  writeOut(`${count} messages, seed ${seed} (deno task fuzz:dns ${count} ${seed} sends the same again)\n`);
  const { goodAnswers, rssMiB: { before, after } } = await fuzzDns({
    count: Number(count),
    warmUp: 100_000,
    seed: Number(seed),
    say: (line) => writeOut(`${line}\n`),
  });
  writeOut(`No exit; ${goodAnswers} good queries in between, all answered\n`);
  writeOut(
    `Memory after a warm-up of 100,000 more ${before.toFixed(1)} MiB, at the end ${after.toFixed(1)} MiB\n`,
  );
  if (after - before > MAX_GROWTH_MIB) writeErr(`Problem: it grew by more than ${MAX_GROWTH_MIB} MiB\n`);
  Deno.exit(after - before > MAX_GROWTH_MIB ? 1 : 0);
}
