// Floods the shared listeners and the DNS server of a daemon with hostile clients, while honest
// clients send requests. Usage: deno task flood [--memory]. With --memory, as root, stalled clients
// fill the memory of a daemon in a cgroup instead.
import { sleep } from "../../src/system/clock.ts";
import { processFigures } from "../../bench/process_figures.ts";
import { percentile } from "../../bench/statistics.ts";
import { missedTargets } from "../../bench/targets.ts";
import { takeLoopbackNetwork } from "../../sim/loopback_network.ts";
import { Stage } from "../../sim/stage.ts";
import { writeOut } from "../../src/system/terminal.ts";
import type { Attack, AttackResult } from "./flood/hostile_clients.ts";
import { type MemoryFigures, type MemoryFlood, renderMemoryTable } from "./flood/memory.ts";
import { scriptInside } from "../root/namespace.ts";
import { HonestClients, listenerRequests, PORTS } from "./flood/honest_clients.ts";
import { type Growth, growthSince, renderGrowth, steadyFigures, untilIdle } from "./process_growth.ts";
import { reportProblems } from "./task.ts";

/** The load that docs/reliability.md R25 demands. */
const FULL: FloodSize = { silent: 2000, garbage: 500, dripping: 500 };
const MAX_P99_MS = 500;
const MAX_STAY_MS = 6_000;
const LIMITS = { descriptors: 10 };
/** The limit of R25 for 3,000 clients, which is 22 KiB for each and some more. */
const MAX_MIB_PER_3000 = 80;
const MAX_LOG_LINES = 100;
const WARM_UP_REQUESTS = 100;
const SAMPLE_MS = 500;

/**
 * Floods a daemon of its own, and measures honest clients and the process.
 *
 * @param patience The factor of the time limits, for a machine that does other work, too: the
 * hostile clients have the lowest priority, and see the end of a connection late.
 */
export async function flood(size: FloodSize, patience = 1): Promise<FloodResult> {
  using network = takeLoopbackNetwork();
  const hostname = network.address("0.1");
  await using stage = await Stage.open({
    dns: `enabled: true\nlisten: ${hostname}:${PORTS.dns}`,
    sections: `net:\n  listen_interface: ${hostname}\n  subnet: ${network.cidr}`,
  });
  for (const name of ["a", "b"]) {
    stage.cloud.addEndpoint({ url: `http://${name}.flood:${PORTS.http}`, backend: "echo" });
    stage.cloud.addEndpoint({ url: `tls://${name}.flood:${PORTS.tls}`, backend: "echo" });
  }
  stage.startDaemon();
  await stage.settled(4);
  const honest = new HonestClients(listenerRequests(hostname));
  await honest.warmUp(WARM_UP_REQUESTS);
  await untilIdle(stage);
  const before = await steadyFigures(stage.pid);

  let peakMiB = before.rssMiB;
  const over = new AbortController();
  async function watchMemory(): Promise<void> {
    while (!over.signal.aborted) {
      peakMiB = Math.max(peakMiB, (await processFigures(stage.pid)).rssMiB);
      await sleep(SAMPLE_MS);
    }
  }
  const running = Promise.all([honest.run(over.signal), watchMemory()]);
  const attacks = await Promise.all(
    (["http", "tls", "dns"] as const).map((protocol) =>
      runAttack({ ...size, hostname, port: PORTS[protocol], protocol })
    ),
  );
  over.abort();
  await running;
  await untilIdle(stage);
  const growth = await growthSince(before, { pid: stage.pid, limits: LIMITS });

  const p99Ms = percentile(honest.timesMs, 99);
  const longestStayMs = Math.max(...attacks.map((attack) => attack.longestStayMs));
  const [clients, failed] = (["clients", "failed"] as const).map((key) =>
    attacks.reduce((sum, attack) => sum + attack[key], 0)
  ) as [number, number];
  const maxStayMs = MAX_STAY_MS * patience;
  const maxMiB = MAX_MIB_PER_3000 * Math.max(1, clients / 3000);
  const problems = [
    ...honest.problems,
    ...missedTargets([
      { text: "p99 of honest requests", unit: "ms", value: p99Ms, atMost: MAX_P99_MS * patience },
      { text: "longest stay of a hostile client", unit: "ms", value: longestStayMs, atMost: maxStayMs },
      { text: "growth of the memory", unit: "MiB", value: peakMiB - before.rssMiB, atMost: maxMiB },
      { text: "hostile clients that could not connect", value: failed, atMost: 0 },
      { text: "lines in the log of the daemon", value: stage.log.length, atMost: MAX_LOG_LINES },
    ]),
    ...growth.problems,
  ];
  return { ...growth, p99Ms, requests: honest.timesMs.length, longestStayMs, peakMiB, problems };
}

/** The number of hostile clients of each kind on each listener. */
export type FloodSize = Pick<Attack, "silent" | "garbage" | "dripping">;

/** The figures of a flood. */
export interface FloodResult extends Growth {
  readonly p99Ms: number;
  /** The number of honest requests. */
  readonly requests: number;
  readonly longestStayMs: number;
  readonly peakMiB: number;
}

/**
 * Runs the hostile clients of one listener in a process with the lowest priority. Otherwise they
 * would take processor time that the daemon has for itself when attackers use other machines.
 */
async function runAttack(attack: Attack): Promise<AttackResult> {
  const { success, stdout } = await new Deno.Command("nice", {
    args: [
      ...["-n19", Deno.execPath(), "run", `--allow-net=${attack.hostname}`],
      ...["--no-prompt", "--quiet", "--no-check"],
      new URL("./flood/hostile_clients.ts", import.meta.url).pathname,
      JSON.stringify(attack),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("Cannot run the hostile clients: their output is above");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** The floods under a memory limit: many clients with small buffers, few with the kernel's own. */
const MEMORY_FLOODS: readonly MemoryFlood[] = [512, 256].flatMap((limitMiB) => [
  { limitMiB, perKind: 550, bufferKiB: 64 },
  { limitMiB, perKind: 150 },
]);

/** Runs each flood under a memory limit in namespaces of its own, and prints the table. */
async function floodAllMemory(): Promise<readonly string[]> {
  const rows: MemoryFigures[] = [];
  for (const flood of MEMORY_FLOODS) {
    const script = ["tests/long/flood/memory_run.ts", JSON.stringify(flood)];
    const { success, stdout } = await scriptInside(script, { stdout: "piped", stderr: "inherit" }).output();
    if (!success) throw new Error(`Cannot run the flood in ${flood.limitMiB} MiB: its output is above`);
    rows.push(JSON.parse(new TextDecoder().decode(stdout)));
  }
  writeOut(renderMemoryTable(rows));
  return rows.flatMap(({ problems }) => problems);
}

if (import.meta.main && Deno.args[0] === "--memory") {
  Deno.exit(reportProblems(await floodAllMemory()));
} else if (import.meta.main) {
  const { silent, garbage, dripping } = FULL;
  writeOut(
    `Flooding three listeners, each with ${silent} silent clients, ${garbage} that send garbage ` +
      `and ${dripping} that send one byte at a time\n`,
  );
  const result = await flood(FULL);
  const { requests, p99Ms, longestStayMs, peakMiB, problems } = result;
  writeOut(`Honest requests: ${requests}, p99 ${p99Ms.toFixed(0)} ms\n`);
  writeOut(`Longest stay of a hostile client: ${(longestStayMs / 1000).toFixed(1)} s\n`);
  writeOut(`${renderGrowth(result)}, at most ${peakMiB.toFixed(1)} MiB\n`);
  Deno.exit(reportProblems(problems));
}
