// Sends hostile messages to the DNS server, which runs as a process of its own.
// Usage: deno task fuzz:dns [COUNT [SEED]]
import { processFigures } from "../../bench/process_figures.ts";
import { missedTargets } from "../../bench/targets.ts";
import { SeededRandom } from "../../sim/cloud/seeded_random.ts";
import { withDeadline } from "../../src/system/clock.ts";
import { writeOut } from "../../src/system/terminal.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { askUdp, TcpClient } from "../dns/client.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { decode, message, replyTo } from "../dns/messages.ts";
import { hostileMessage, mutate } from "./dns/hostile.ts";
import { benchNames } from "./dns/names.ts";
import { startServer } from "./dns/server_process.ts";
import { randomSeed, readNumbers, reportProblems } from "./task.ts";

/** The number of messages that docs/reliability.md R14 demands. */
const FULL = 1_000_000;
const WARM_UP = 100_000;
const MAX_GROWTH_MIB = 20;
const BATCH = 40;
/**
 * The bytes that surely fit into the buffer of a socket, which needs about a kilobyte more for each
 * datagram. Then a good query follows: its reply shows that the server has read all of them.
 */
const BUFFER_BYTES = 100_000;
const OVERHEAD_BYTES = 1000;
/** One batch of this number goes by TCP. */
const TCP_EVERY = 10;
const PROGRESS_EVERY = 50_000;
const REPLY_LIMIT_MS = 5_000;

/**
 * Sends hostile messages by UDP, by TCP and as replies of an upstream DNS server, with good queries
 * in between, at least one for 40 messages.
 *
 * @throws {Error} If the server ends, or does not answer a good query rightly within 5 s.
 */
export async function fuzzDns(options: FuzzOptions): Promise<FuzzResult> {
  const { count, warmUp, seed, onProgress = () => {} } = options;
  const random = new SeededRandom(seed);
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(
    new FakeUpstream((request) => {
      const right = replyTo(request, { addresses: ["192.0.2.1"] });
      // The right reply follows the wrong one, so that no query waits for a timeout.
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
      await askByTcp(port, goodAnswers++);
    } else {
      let buffered = 0;
      for (const bytes of messages) {
        buffered += bytes.length + OVERHEAD_BYTES;
        if (buffered > BUFFER_BYTES) {
          await askByUdp(port, goodAnswers++);
          buffered = bytes.length + OVERHEAD_BYTES;
        }
        await sender.send(bytes, { hostname: "127.0.0.1", port });
      }
      await askByUdp(port, goodAnswers++);
    }
    upstream.requests.length = 0;
    await child.assertRunning();
    if (sent <= warmUp && sent + BATCH > warmUp) before = (await processFigures(child.pid)).rssMiB;
    if (sent > 0 && sent % PROGRESS_EVERY === 0) {
      const { rssMiB } = await processFigures(child.pid);
      onProgress(
        `${sent} hostile messages sent, ${goodAnswers} good queries answered, memory ${
          rssMiB.toFixed(1)
        } MiB`,
      );
    }
  }
  const after = (await processFigures(child.pid)).rssMiB;
  return { goodAnswers, rssMiB: { before, after } };
}

/** Options of {@linkcode fuzzDns}. */
export interface FuzzOptions {
  /** The number of messages after the warm-up. */
  readonly count: number;
  /**
   * The number of messages before memory is measured first. Under this load the runtime grows to
   * its working size.
   */
  readonly warmUp: number;
  readonly seed: number;
  readonly onProgress?: (line: string) => void;
}

/** The figures of a run. */
export interface FuzzResult {
  /** The number of good queries, all of which were answered rightly. */
  readonly goodAnswers: number;
  /** The memory of the server after the warm-up, and at the end. */
  readonly rssMiB: { readonly before: number; readonly after: number };
}

/** Sends a message in a right or wrong frame, and reads until the server closes the connection. */
async function sendByTcp(port: number, bytes: Uint8Array, random: SeededRandom): Promise<void> {
  using client = await TcpClient.connect(port);
  try {
    const framed = new Uint8Array([bytes.length >> 8, bytes.length & 255, ...bytes]);
    await client.send(random.next() < 0.2 ? mutate(framed, random) : framed);
    await client.end();
    while (await client.next() !== undefined);
  } catch {
    // The server may reset a connection with bytes that no client sends.
  }
}

async function askByUdp(port: number, id: number): Promise<void> {
  await checkAnswer(id, (query) => askUdp(query, { port, timeoutMs: 2 * REPLY_LIMIT_MS }));
}

async function askByTcp(port: number, id: number): Promise<void> {
  await checkAnswer(id, async (query) => {
    using client = await TcpClient.connect(port);
    return await client.exchange(query);
  });
}

/** Sends a good query. @throws {Error} If the reply is wrong or late. */
async function checkAnswer(
  number: number,
  ask: (query: Uint8Array<ArrayBuffer>) => Promise<Uint8Array | undefined>,
): Promise<void> {
  const names = benchNames();
  const { hostname, address } = names[number % names.length]!;
  const id = number & 0xffff;
  const reply = await withDeadline(ask(message({ name: hostname, id })), {
    ms: REPLY_LIMIT_MS,
    onTimeout: () => new Error(`The DNS server did not answer a good query in ${REPLY_LIMIT_MS / 1000} s`),
  });
  const { id: replyId, answers } = decode(reply ?? new Uint8Array());
  if (replyId !== id || answers[0]?.data !== address) {
    throw new Error(`The DNS server sent a wrong answer for ${hostname}: ${JSON.stringify(answers)}`);
  }
}

async function main(): Promise<number> {
  const numbers = readNumbers("fuzz:dns [COUNT [SEED]]", [FULL, randomSeed()]);
  if (numbers === undefined) return 2;
  const [count, seed] = numbers;
  writeOut(
    `Sending ${count} hostile messages after a warm-up of ${WARM_UP}, seed ${seed}. ` +
      `To repeat this run: deno task fuzz:dns ${count} ${seed}\n`,
  );
  const { goodAnswers, rssMiB: { before, after } } = await fuzzDns({
    count,
    warmUp: WARM_UP,
    seed,
    onProgress: (line) => writeOut(`${line}\n`),
  });
  writeOut(`The DNS server is still running; ${goodAnswers} good queries in between were answered\n`);
  writeOut(`Memory after the warm-up ${before.toFixed(1)} MiB, at the end ${after.toFixed(1)} MiB\n`);
  return reportProblems(missedTargets([
    { text: "growth of the memory", unit: "MiB", value: after - before, atMost: MAX_GROWTH_MIB },
  ]));
}

if (import.meta.main) Deno.exit(await main());
