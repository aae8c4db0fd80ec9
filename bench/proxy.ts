// Compares the ways to the far end of mutual TLS: directly, by our relay, through an HTTP proxy and our relay, and through it with node:tls.
import process from "node:process";
import { parseArgs } from "node:util";
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { TestCa } from "../tests/fakes/test_ca.ts";
import { median } from "./statistics.ts";
import { judge, type Round } from "./proxy/quick.ts";
import { startPeer } from "./proxy/start_peer.ts";
import { type Direction, type Way, waysTo } from "./proxy/ways.ts";

const HOST = "localhost";
const MIB = 2 ** 20;
const FULL = { bytes: 256 * MIB, dials: 200 };
const QUICK = { bytes: 64 * MIB, dials: 20, rounds: 7 };

/** A table of all ways. */
async function compare(ways: readonly Way[]): Promise<void> {
  writeOut(
    "| way | down, 1 stream | down, 8 | up, 1 stream | up, 8 | connect | memory after |\n|---|---|---|---|---|---|---|\n",
  );
  for (const way of ways) {
    const cells: string[] = [];
    for (const direction of ["d", "u"] as const) {
      for (const streams of [1, 8]) {
        const { rate, cpu } = await transfer(way, { direction, streams, bytes: FULL.bytes });
        cells.push(`${Math.round(rate)} MB/s, ${cpu.toFixed(1)} CPU-s/GB`);
      }
    }
    cells.push(`${(await connectMs(way, FULL.dials)).toFixed(1)} ms`, `${Math.round(memoryMiB())} MB`);
    writeOut(`| ${way.name} | ${cells.join(" | ")} |\n`);
  }
}

/** Whether all targets are met. */
async function check(ways: readonly Way[]): Promise<boolean> {
  const direct = ways.find(({ name }) => name === "direct")!;
  const proxied = ways.find(({ name }) => name === "proxy + relay")!;
  const { bytes, dials } = QUICK;
  const rates = async (direction: "d" | "u") => ({
    direct: (await transfer(direct, { direction, streams: 1, bytes })).rate,
    proxied: (await transfer(proxied, { direction, streams: 1, bytes })).rate,
  });
  // What is loaded and compiled at the first use does not count.
  for (const way of [direct, proxied]) await transfer(way, { direction: "d", streams: 1, bytes });
  const before = memoryMiB();
  const rounds: Round[] = [];
  while (rounds.length < QUICK.rounds) {
    rounds.push({
      rates: { down: await rates("d"), up: await rates("u") },
      connectMs: { direct: await connectMs(direct, dials), proxied: await connectMs(proxied, dials) },
    });
  }
  const results = judge(rounds, memoryMiB() - before);
  for (const { what, seen, target, met } of results) {
    writeOut(`${met ? "ok    " : "FAILED"}  ${what}: ${seen.toFixed(2)} (target ${target})\n`);
  }
  return results.every(({ met }) => met);
}

interface Transfer {
  readonly direction: Direction;
  readonly streams: number;
  /** Of each stream. */
  readonly bytes: number;
}

/** MB/s over all streams, and the CPU time of this process for a GB. */
async function transfer(
  { move }: Way,
  { direction, streams, bytes }: Transfer,
): Promise<{ rate: number; cpu: number }> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(Array.from({ length: streams }, () => move(direction)));
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const gb = streams * bytes / 1e9;
  return { rate: gb * 1000 / seconds, cpu: (user + system) / 1e6 / gb };
}

async function connectMs({ move }: Way, dials: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < dials; i++) {
    const start = performance.now();
    await move("none");
    times.push(performance.now() - start);
  }
  return median(times);
}

function memoryMiB(): number {
  return Deno.memoryUsage().rss / MIB;
}

async function main(quick: boolean): Promise<boolean> {
  const { bytes } = quick ? QUICK : FULL;
  const authority = await TestCa.create();
  const ca = authority.pem;
  const server = await authority.pair({ names: [HOST] });
  const client = await authority.pair();
  await using far = await startPeer({ role: "far", ...server, ca, bytes });
  await using proxy = await startPeer({ role: "proxy" });
  const ports = { farPort: far.port, proxyPort: proxy.port };
  const ways = waysTo({ hostname: HOST, ...ports, ...client, ca, bytes });
  if (quick) return await check(ways);
  await compare(ways);
  return true;
}

if (import.meta.main) {
  let quick: boolean;
  try {
    quick = parseArgs({ options: { quick: { type: "boolean", default: false } } }).values.quick;
  } catch {
    writeErr("Usage: deno task bench:proxy [--quick]\n");
    Deno.exit(2);
  }
  Deno.exit(await main(quick) ? 0 : 1);
}
