import { processFigures } from "../../../bench/process_figures.ts";
import { percentile } from "../../../bench/statistics.ts";
import { missedTargets } from "../../../bench/targets.ts";
import { Stage } from "../../../sim/stage.ts";
import { sleep } from "../../../src/system/clock.ts";
import type { Crowd } from "../../attack/crowd.ts";
import { startCrowd } from "../../attack/start_crowd.ts";
import { get } from "../../e2e/client.ts";
import { shell } from "../../root/commands.ts";
import { MemoryCgroup, type MemoryUsage } from "../../root/memory_cgroup.ts";
import { echoOnce } from "../load.ts";
import { HonestClients } from "./honest_clients.ts";

const MAX_P99_MS = 500;
const HONEST_MS = 5_000;
/** The time in which the crowds must have filled what there is to fill. */
const FILL_LIMIT_MS = 60_000;
const BLOCK = new Uint8Array(65_536);
const ECHO = new TextEncoder().encode("still here");

/**
 * Runs a daemon in a cgroup with a memory limit, lets crowds hold connections that are idle, not
 * read, or blocked in an upload, and then measures honest clients and the memory. Needs root and a
 * network namespace of its own.
 */
export async function floodMemory(options: MemoryFlood): Promise<MemoryFigures> {
  const { limitMiB, perKind, bufferKiB } = options;
  if (bufferKiB !== undefined) await limitBuffers(bufferKiB);
  await using cgroup = await MemoryCgroup.create(limitMiB);
  using source = startSource();
  await using stage = await Stage.open({ net: (network) => `listen_interface: ${network.address("0.1")}` });
  const hostname = stage.network.address("0.1");
  const endpoints = {
    "tcp://honest.flood:7000": "echo",
    "http://web.flood:7001": "http",
    "tcp://idle.flood:7002": "echo",
    "tcp://source.flood:7003": { forward: `127.0.0.1:${source.port}` },
    "tcp://stall.flood:7004": "stall",
    "http://post.flood:7005": "stall",
  } as const;
  for (const [url, backend] of Object.entries(endpoints)) stage.cloud.addEndpoint({ url, backend });
  stage.startDaemon({ prelude: cgroup.enter });
  await stage.active(6);

  await using crowds = new AsyncDisposableStack();
  const all: Omit<Crowd, "hostname" | "count">[] = [
    { port: 7002, kind: "idle" },
    { port: 7003, kind: "deaf" },
    { port: 7004, kind: "send" },
    { port: 7005, kind: "post", host: "post.flood:7005" },
  ];
  for (const crowd of all) crowds.use(await startCrowd({ ...crowd, hostname, count: perKind }));
  const open = await untilStill(stage);
  const honest = new HonestClients([
    () => echoOnce(`${hostname}:7000`, ECHO),
    async () => {
      const { status, text } = await get(`${hostname}:7001`, "web.flood:7001");
      if (status !== 200) throw new Error(text);
    },
  ]);
  const over = new AbortController();
  const running = honest.run(over.signal);
  await sleep(HONEST_MS);
  over.abort();
  await running;
  const { peakRssMiB } = await processFigures(stage.pid);
  await crowds[Symbol.asyncDispose]();
  // Uploads that the backend does not take go on without their clients, so a drain would take long.
  await stage.stopDaemon("SIGKILL");
  const usage = await cgroup.usage();
  const p99Ms = percentile(honest.timesMs, 99);
  const problems = [
    ...new Set(honest.problems),
    ...missedTargets([
      { text: `p99 of honest requests in ${limitMiB} MiB`, unit: "ms", value: p99Ms, atMost: MAX_P99_MS },
      { text: "processes that the kernel killed", value: usage.kills, atMost: 0 },
    ]),
  ];
  return { ...options, open, requests: honest.timesMs.length, p99Ms, peakRssMiB, ...usage, problems };
}

/** The memory limit and the size of the crowds. */
export interface MemoryFlood {
  readonly limitMiB: number;
  /** The largest size of the kernel's buffers of one direction. @default That of the kernel */
  readonly bufferKiB?: number;
  /** The number of clients of each of the four kinds. */
  readonly perKind: number;
}

/** The figures of a flood under a memory limit. */
export interface MemoryFigures extends MemoryFlood, MemoryUsage {
  /** The connections to the ingress at the end. */
  readonly open: number;
  /** The number of honest requests. */
  readonly requests: number;
  readonly p99Ms: number;
  /** The most resident memory of the daemon, with the pages of its program. */
  readonly peakRssMiB: number;
  readonly problems: readonly string[];
}

/** Renders figures as a table in Markdown. */
export function renderMemoryTable(rows: readonly MemoryFigures[]): string {
  const lines = rows.map((row) =>
    [
      `${row.limitMiB} MiB`,
      row.bufferKiB === undefined ? "up to 4 MiB" : `up to ${row.bufferKiB} KiB`,
      4 * row.perKind,
      row.open,
      `${row.peakRssMiB.toFixed(0)} MiB`,
      `${row.peakMiB.toFixed(0)} MiB`,
      row.bufferPeakMiB === undefined ? "included" : `${row.bufferPeakMiB.toFixed(0)} MiB`,
      row.kills,
      row.requests,
      `${row.p99Ms.toFixed(0)} ms`,
    ].join(" | ")
  );
  return [
    "| memory limit | kernel's buffers | stalled clients | of them connected | peak of RSS | peak of the cgroup | and of the kernel's buffers | killed | honest requests | their p99 |",
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...lines.map((line) => `| ${line} |`),
    "",
  ].join("\n");
}

/**
 * Waits until no byte moves, and returns the number of connections to the ingress.
 *
 * @throws {Error} If the daemon ends meanwhile.
 */
async function untilStill(stage: Stage): Promise<number> {
  let exitCode: number | undefined;
  void stage.daemonEnded.then((code) => exitCode = code);
  let last = "";
  let open = 0;
  await stage.until("no byte moves", async () => {
    await sleep(1_000);
    if (exitCode !== undefined) return true;
    const rows = await stage.askList();
    open = rows.reduce((sum, row) => sum + row.open_connections, 0);
    const now = JSON.stringify(rows.map((row) => [row.bytes_in, row.bytes_out, row.open_connections]));
    const isStill = now === last;
    last = now;
    return isStill;
  }, FILL_LIMIT_MS);
  if (exitCode !== undefined) throw new Error(`The daemon ended with ${exitCode}`);
  return open;
}

/** Limits the kernel's buffers of all connections in this network namespace. */
async function limitBuffers(kib: number): Promise<void> {
  const sizes = `4096 16384 ${kib * 1024}`;
  await shell(`for file in tcp_wmem tcp_rmem; do echo '${sizes}' >/proc/sys/net/ipv4/$file; done`);
}

/** A server that sends to every client as much as is taken. */
function startSource(): Disposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  async function send(conn: Deno.TcpConn): Promise<void> {
    try {
      for (;;) await conn.write(BLOCK);
    } catch {
      // The client is gone.
    }
  }
  void (async () => {
    for await (const conn of listener) void send(conn);
  })().catch(() => {});
  return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
}
