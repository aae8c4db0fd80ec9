// Kills the daemon with SIGKILL at moments spread over a renewal, and over the first registration.
// Each time a matching pair of key and certificate must load, and one operator must be left in the
// cloud (docs/reliability.md R39). Usage: deno task crash:renewal [MOMENTS]
import { sleep } from "../../src/system/clock.ts";
import { IdentityStore } from "../../src/identity/store.ts";
import * as files from "../../src/system/files.ts";
import { writeOut } from "../../src/system/terminal.ts";
import { checkTlsPair } from "../../src/system/tls_pair.ts";
import { Stage } from "../../sim/stage.ts";
import { readNumbers, reportProblems } from "./task.ts";

const DEFAULT_MOMENTS = 200;
/** A part of the duration of an answer that the cloud sends slowly. */
const SLOW_ANSWER_MS = 500;

/** The kills before, during and after the writes or the creation that they interrupt. */
export interface KillCounts {
  before: number;
  during: number;
  after: number;
}

/** The result of many kills. */
export interface KillReport {
  readonly problems: readonly string[];
  readonly kills: Readonly<KillCounts>;
}

/** Kills the daemon at `moments` points of a renewal. */
export async function crashRenewals(moments: number): Promise<KillReport> {
  await using stage = await Stage.open();
  const problems: string[] = [];
  const kills = { before: 0, during: 0, after: 0 };
  // Each start asks for the list, and this task starts the daemon hundreds of times a minute.
  stage.cloud.setRateLimit(1_000_000);
  const start = () => startRegistered(stage);
  await start();
  // The first renewal after a start takes longest, because the runtime loads code for it.
  await stage.stopDaemon("SIGKILL");
  await start();
  const startedAt = performance.now();
  await stage.ask("refresh-cert", ["--force"]);
  const spanMs = (performance.now() - startedAt) * 1.5;
  for (let moment = 0; moment < moments; moment++) {
    const before = (await stage.askStatus()).certificate!.serial;
    const asking = stage.ask("refresh-cert", ["--force"]).catch(() => {});
    await sleep(spanMs * moment / moments);
    await stage.stopDaemon("SIGKILL");
    await asking;
    const isPending = await exists(`${stage.etc}/tls.pending`);
    const { pair, problems: found, operatorId } = await storeOf(stage).load();
    if (pair === undefined || found.length > 0 || operatorId === undefined) {
      const reasons = found.map(({ message }) => message).join("; ") || "it has no pair or no operator id";
      problems.push(`moment ${moment} of the renewal: cannot load the identity: ${reasons}`);
    }
    kills[isPending ? "during" : pair?.info.serial === before ? "before" : "after"]++;
    await start();
  }
  if (moments >= DEFAULT_MOMENTS && kills.during + kills.after === 0) {
    problems.push("no kill came during the writes of a renewal or after them");
  }
  return { problems: [...problems, ...operatorProblems(stage, "the renewals")], kills };
}

/** Kills the daemon at `moments` points of its first start, up to the end of the registration. */
export async function crashRegistrations(moments: number): Promise<KillReport> {
  const problems: string[] = [];
  const kills = { before: 0, during: 0, after: 0 };
  const spanMs = await registrationMs();
  for (let moment = 0; moment < moments; moment++) {
    await using stage = await Stage.open();
    // A kill during the answer leaves an operator behind, so every other answer is sent slowly.
    const isSlow = moment % 2 === 1;
    if (isSlow) {
      stage.cloud.faults.set({ kind: "slow_body", msPerByte: 1, route: "operators.create", times: 1 });
    }
    stage.startDaemon();
    if (isSlow) {
      await stage.until("the operator is created", () => stage.cloud.operators().length > 0);
      await sleep(SLOW_ANSWER_MS * moment / moments);
    } else {
      // The request is sent in the second half of the start, and nothing can be left before it.
      await sleep(spanMs * (0.4 + 0.7 * moment / moments));
    }
    await stage.stopDaemon("SIGKILL");
    const isCreated = stage.cloud.operators().length > 0;
    const isSaved = await exists(`${stage.etc}/operator_id`);
    kills[!isCreated ? "before" : isSaved ? "after" : "during"]++;
    await startRegistered(stage);
    problems.push(...operatorProblems(stage, `moment ${moment} of the registration`));
  }
  if (moments > 1 && kills.during === 0) {
    problems.push("no kill came between the creation of the operator and the write of its id");
  }
  return { problems, kills };
}

/** Measures a registration without a kill. */
async function registrationMs(): Promise<number> {
  await using stage = await Stage.open();
  const startedAt = performance.now();
  await startRegistered(stage);
  return performance.now() - startedAt;
}

async function startRegistered(stage: Stage): Promise<void> {
  stage.startDaemon();
  await stage.until("the daemon is registered", async () => {
    const { registered, certificate, api } = await stage.askStatus();
    return registered && certificate !== null && api.state === "ok";
  });
}

function operatorProblems({ cloud }: Stage, moment: string): string[] {
  const count = cloud.operators().filter(({ deleted }) => !deleted).length;
  return count === 1 ? [] : [`${moment}: ${count} operators are in the cloud instead of 1`];
}

function storeOf({ etc }: Stage): IdentityStore {
  return new IdentityStore({
    directory: etc,
    certPath: `${etc}/tls.crt`,
    keyPath: `${etc}/tls.key`,
    files,
    checkTls: checkTlsPair,
  });
}

async function exists(path: string): Promise<boolean> {
  return await files.readTextIfAny(path) !== undefined;
}

async function main(): Promise<number> {
  const numbers = readNumbers("crash:renewal [MOMENTS]", [DEFAULT_MOMENTS]);
  if (numbers === undefined) return 2;
  const [moments] = numbers;
  let exitCode = 0;
  for (const [name, crash] of [["renewal", crashRenewals], ["registration", crashRegistrations]] as const) {
    const { problems, kills: { before, during, after } } = await crash(moments);
    writeOut(
      `Killed the daemon at ${moments} moments of a ${name}: ${before} before a change, ` +
        `${during} during it, ${after} after it; ${problems.length} problems\n`,
    );
    exitCode = Math.max(exitCode, reportProblems(problems));
  }
  return exitCode;
}

if (import.meta.main) Deno.exit(await main());
