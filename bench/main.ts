// Compares a direct connection, this daemon and the installed peers in one run. See
// docs/benchmarks.md.
import { messageOf } from "../src/model/errors.ts";
import { onSignals } from "../src/system/signals.ts";
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { FULL, measure, QUICK } from "./measure.ts";
import { CIPHER_SUITE, type Peer, PEERS } from "./peers.ts";
import { renderLoad, renderTable, renderTargets } from "./render.ts";
import { summarize } from "./summary.ts";
import { goalsOf } from "./goals.ts";
import { isMet } from "./targets.ts";
import { buildTrack } from "./track.ts";

const USAGE = `Usage: deno task bench [--quick] [--assert] [--json=PATH]

Compares a direct connection, ngrokd, and stunnel and HAProxy where they are installed.

  --quick      short runs, some thirty seconds in all
  --assert     exit 1 if a target is missed or could not be measured
  --json=PATH  where to write the figures (default: bench.json)

With CI=true in the environment a missing peer is a failure.
`;

/** The options of the command line. */
export interface BenchArguments {
  readonly quick: boolean;
  readonly assertTargets: boolean;
  readonly jsonPath: string;
}

/** Parses the command line; returns undefined if it is wrong. */
export function parseArguments(args: readonly string[]): BenchArguments | undefined {
  let parsed: BenchArguments = { quick: false, assertTargets: false, jsonPath: "bench.json" };
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--quick") parsed = { ...parsed, quick: true };
    else if (arg === "--assert") parsed = { ...parsed, assertTargets: true };
    else if (arg === "--json" || arg.startsWith("--json=")) {
      const jsonPath = arg === "--json" ? rest.shift() : arg.slice("--json=".length);
      if (!jsonPath) return undefined;
      parsed = { ...parsed, jsonPath };
    } else return undefined;
  }
  return parsed;
}

async function bench(stack: AsyncDisposableStack, options: BenchArguments): Promise<number> {
  const { jsonPath } = options;
  const { state } = await Deno.permissions.query({ name: "write", path: jsonPath });
  if (state !== "granted") {
    writeErr(`Cannot write ${jsonPath}: it is neither in the project nor in /tmp\n`);
    return 2;
  }
  const peers = await findPeers();
  const missing = PEERS.filter((peer) => !peers.includes(peer));
  if (missing.length > 0) writeErr(`Not installed: ${missing.map(({ program }) => program).join(", ")}\n`);
  if (missing.length > 0 && Deno.env.get("CI") === "true") return 1;
  const plan = options.quick ? QUICK : FULL;
  const machine = await describeMachine(peers);
  const track = await buildTrack(stack, peers);
  const samples = await measure(track, { plan, onProgress: (text) => writeErr(`… ${text}\n`) });
  const tables = summarize(samples);
  const targets = goalsOf(tables);
  const subjects = [...new Set(track.subjects.map(({ name }) => name))];
  writeOut(
    `\n${renderMachine(machine)}Far end: ${track.farEnd}; TLS 1.3, ECDSA P-256${
      peers.length > 0 ? `, ${CIPHER_SUITE}` : ""
    }\n`,
  );
  writeOut(`Medians of ${plan.rounds} rounds; MB and GB are 10^6 and 10^9 bytes\n\n`);
  for (const table of tables) writeOut(`${renderTable(table, subjects)}\n`);
  writeOut(`${renderLoad(samples, subjects)}\n${renderTargets(targets)}`);
  const json = { schema: 1, machine, farEnd: track.farEnd, plan, tables, targets, samples };
  await Deno.writeTextFile(jsonPath, `${JSON.stringify(json, undefined, 2)}\n`);
  writeOut(`\nAll figures are in ${jsonPath}\n`);
  return options.assertTargets && targets.some((target) => isMet(target) !== true) ? 1 : 0;
}

async function findPeers(): Promise<Peer[]> {
  const found = await Promise.all(PEERS.map((peer) => Deno.stat(peer.program).then(() => [peer], () => [])));
  return found.flat();
}

function renderMachine(machine: Machine): string {
  const { cores, processor, kernel, load, versions } = machine;
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ");
  return `${cores} cores (${processor}), Linux ${kernel}, load ${load.toFixed(2)} at the start\n${list}\n`;
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseArguments(args);
  if (options === undefined) {
    writeErr(USAGE);
    return args.includes("--help") ? 0 : 2;
  }
  await using stack = new AsyncDisposableStack();
  const stopped = Promise.withResolvers<number>();
  using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], () => stopped.resolve(130));
  const done = bench(stack, options).catch((error) => {
    if (!stack.disposed) writeErr(`Error: ${messageOf(error)}\n`);
    return 1;
  });
  return await Promise.race([done, stopped.promise]);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
