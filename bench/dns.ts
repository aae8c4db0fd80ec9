// Compares the DNS server with dnsmasq: 1,000 names each, queried by dnsperf in turn.
import { freePort } from "../sim/daemon_harness.ts";
import { connectTcp } from "../src/system/tcp.ts";
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { askUdp } from "../tests/dns/client.ts";
import { message } from "../tests/dns/messages.ts";
import { Child } from "./child.ts";
import { median, percentile } from "./statistics.ts";
import { type DnsperfFigures, readDnsperf, readLatencies } from "./dnsperf.ts";
import { missedTargets, renderTarget, type Target } from "./targets.ts";
import { benchNames } from "../tests/long/dns/names.ts";
import { startServer } from "../tests/long/dns/server_process.ts";

const DNSPERF = "/usr/bin/dnsperf";
const DNSMASQ = "/usr/sbin/dnsmasq";
const USAGE = "Usage: deno task bench:dns [--quick]\n";
/** The number of queries in flight over all sockets. */
const OUTSTANDING = 32;
const SOCKETS = 4;

/** The rounds after the warm-up, and the seconds of each measurement. */
interface Length {
  readonly rounds: number;
  readonly seconds: number;
}

const FULL: Length = { rounds: 5, seconds: 3 };
const QUICK: Length = { rounds: 2, seconds: 1 };

/** Starts dnsmasq with the same names and returns its port. */
async function startDnsmasq(stack: AsyncDisposableStack, directory: string): Promise<number> {
  const port = freePort();
  const records = benchNames().map(({ hostname, address }) => `${address} ${hostname}\n`).join("");
  await Deno.writeTextFile(`${directory}/hosts`, records);
  // The TTL is the same as that of ngrokd.
  const options = [
    ...["keep-in-foreground", "user=root", "conf-file=/dev/null", "pid-file="],
    ...[`port=${port}`, "listen-address=127.0.0.1", "bind-interfaces"],
    ...["no-resolv", "no-hosts", `addn-hosts=${directory}/hosts`, "local-ttl=5"],
  ];
  const child = new Child(stack, [DNSMASQ, ...options.map((option) => `--${option}`)]);
  for (;;) {
    await child.assertRunning();
    try {
      (await connectTcp({ address: "127.0.0.1", port }, AbortSignal.timeout(1000))).close();
      return port;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** The figures of one run of a subject. */
interface Sample extends DnsperfFigures {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Measures throughput, then latencies in a second run, because printing each one slows dnsperf
 * down.
 */
async function measure(port: number, load: { queries: string; seconds: number }): Promise<Sample> {
  const figures = readDnsperf(await dnsperf(port, load));
  const latencies = readLatencies(await dnsperf(port, load, ["-v"]));
  return { ...figures, p50Ms: percentile(latencies, 50), p99Ms: percentile(latencies, 99) };
}

async function dnsperf(
  port: number,
  load: { queries: string; seconds: number },
  more: readonly string[] = [],
): Promise<string> {
  const { queries, seconds } = load;
  const args = [
    ...["-s", "127.0.0.1", "-p", `${port}`, "-d", queries],
    ...["-l", `${seconds}`, "-q", `${OUTSTANDING}`, "-c", `${SOCKETS}`, ...more],
  ];
  const { stdout } = await new Deno.Command(DNSPERF, { args, stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}

async function bench(stack: AsyncDisposableStack, length: Length): Promise<number> {
  const { rounds: count, seconds } = length;
  const directory = await Deno.makeTempDir({ prefix: "ngrokd-bench-dns-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const queries = `${directory}/queries`;
  await Deno.writeTextFile(queries, benchNames().map(({ hostname }) => `${hostname} A\n`).join(""));
  const subjects = [
    { name: "ngrokd", port: (await startServer(stack)).port },
    { name: "dnsmasq", port: await startDnsmasq(stack, directory) },
  ].map((subject) => ({ ...subject, rounds: [] as Sample[] }));
  const { hostname } = benchNames()[0]!;
  for (const { port } of subjects) await askUdp(message({ name: hostname }), { port });
  for (let round = 0; round <= count; round++) {
    for (const { name, port, rounds } of subjects) {
      const figures = await measure(port, { queries, seconds });
      // The first round is the warm-up.
      if (round > 0) rounds.push(figures);
      writeErr(`… round ${round}: ${name} ${Math.round(figures.perSecond)} queries/s\n`);
    }
  }
  const [ours] = subjects.map(({ name, rounds }) => {
    const of = (key: keyof Sample) => median(rounds.map((round) => round[key]));
    const all = { perSecond: of("perSecond"), p50Ms: of("p50Ms"), p99Ms: of("p99Ms"), bad: of("bad") };
    writeOut(
      `${name}: ${Math.round(all.perSecond)} queries/s, p50 ${all.p50Ms.toFixed(2)} ms, ` +
        `p99 ${all.p99Ms.toFixed(2)} ms, ${all.bad} unanswered\n`,
    );
    return all;
  });
  // The ratio is taken round by round, because other work on the machine slows both.
  const [oursByRound, theirsByRound] = subjects.map(({ rounds }) => rounds.map(({ perSecond }) => perSecond));
  const ratio = median(oursByRound!.map((perSecond, round) => perSecond / theirsByRound![round]!));
  writeOut(`ngrokd ÷ dnsmasq: ${ratio.toFixed(2)} (medians of ${count} rounds of ${seconds} s)\n`);
  const targets: Target[] = [
    { text: "queries/s", value: ours!.perSecond, atLeast: 15_000 },
    { text: "queries/s ÷ dnsmasq", value: ratio, atLeast: 0.45 },
    { text: "p99", unit: "ms", value: ours!.p99Ms, atMost: 10 },
    { text: "unanswered queries", value: ours!.bad, atMost: 0 },
  ];
  for (const target of targets) writeOut(`${renderTarget(target)}\n`);
  // A short run on a busy machine shows that it works, not how fast it is.
  if (length === QUICK) return ours!.bad > 0 ? 1 : 0;
  return missedTargets(targets).length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const [option, ...rest] = Deno.args;
  if (rest.length > 0 || (option !== undefined && option !== "--quick")) {
    writeErr(USAGE);
    return 2;
  }
  const programs = [DNSPERF, DNSMASQ];
  const installed = await Promise.all(programs.map((path) => Deno.stat(path).then(() => true, () => false)));
  if (installed.includes(false)) {
    writeErr(`Not installed: ${programs.filter((_, index) => !installed[index]).join(", ")}\n`);
    return 2;
  }
  await using stack = new AsyncDisposableStack();
  return await bench(stack, option === "--quick" ? QUICK : FULL);
}

if (import.meta.main) Deno.exit(await main());
