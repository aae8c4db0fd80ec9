// SIGKILL at so many moments spread over a renewal and over the first registration: a pair that fits must load each time, and one operator
// be left in the cloud. Usage: deno task crash:renewal [MOMENTS]
import { IdentityStore } from "../../src/identity/store.ts";
import * as files from "../../src/system/files.ts";
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { Stage } from "../../sim/stage.ts";

const DEFAULT_MOMENTS = 200;
/** A part of the time that an answer takes which drips. */
const HELD_MS = 500;
const SECTIONS = "net:\n  subnet: 127.171.0.0/16";

/** Kills at `moments` points of a renewal; gives what was wrong, and how the kills fell. */
export async function crashRenewals(
  moments: number,
): Promise<{ problems: string[]; fell: Record<string, number> }> {
  await using stage = await Stage.open({ sections: SECTIONS });
  const problems: string[] = [];
  const fell = { before: 0, within: 0, after: 0 };
  // Each start asks for the list: hundreds within a minute are this command's doing.
  stage.cloud.setRateLimit(1_000_000);
  stage.startDaemon();
  await registered(stage);
  // The first renewal after a start takes longest: what it needs is loaded then.
  await stage.stopDaemon("SIGKILL");
  stage.startDaemon();
  await registered(stage);
  const startedAt = performance.now();
  await stage.ask("refresh-cert", ["--force"]);
  const spanMs = (performance.now() - startedAt) * 1.5;
  for (let moment = 0; moment < moments; moment++) {
    const before = (await stage.askStatus()).certificate!.serial;
    const asking = stage.ask("refresh-cert", ["--force"]).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, spanMs * moment / moments));
    await stage.stopDaemon("SIGKILL");
    await asking;
    const pending = await files.readTextIfAny(`${stage.etc}/tls.pending`) !== undefined;
    const { pair, problems: found, operatorId } = await storeOf(stage).load();
    if (pair === undefined || found.length > 0 || operatorId === undefined) {
      problems.push(
        `moment ${moment}: ${found.map(({ message }) => message).join("; ") || "no pair or id loads"}`,
      );
    }
    fell[pending ? "within" : pair?.info.serial === before ? "before" : "after"]++;
    stage.startDaemon();
    await registered(stage);
  }
  if (moments >= DEFAULT_MOMENTS && fell.within + fell.after === 0) {
    problems.push("no kill fell into the writes or after them");
  }
  if (stage.cloud.operators().filter(({ deleted }) => !deleted).length !== 1) {
    problems.push("not one operator is left");
  }
  return { problems, fell };
}

/** Kills at `moments` points of the first start, up to the end of its registration. */
export async function crashRegistrations(
  moments: number,
): Promise<{ problems: string[]; fell: Record<string, number> }> {
  const problems: string[] = [];
  const fell = { before: 0, within: 0, after: 0 };
  let spanMs = 0;
  for (let moment = -1; moment < moments; moment++) {
    await using stage = await Stage.open({ sections: SECTIONS });
    const startedAt = performance.now();
    // Every other time the answer is on its way for long: that is when a kill can leave an operator behind.
    const isHeld = moment > 0 && moment % 2 === 1;
    if (isHeld) {
      stage.cloud.faults.set({ kind: "slow_body", msPerByte: 1, route: "operators.create", times: 1 });
    }
    stage.startDaemon();
    if (moment === -1) {
      await registered(stage);
      spanMs = performance.now() - startedAt;
      continue;
    }
    if (isHeld) await stage.until("it is made", () => stage.cloud.operators().length > 0);
    // Else nothing can be left behind before the request is sent: the second half of the start is what matters.
    const waitMs = isHeld ? HELD_MS * moment / moments : spanMs * (0.4 + 0.7 * moment / moments);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await stage.stopDaemon("SIGKILL");
    const made = stage.cloud.operators().length;
    const saved = await files.readTextIfAny(`${stage.etc}/operator_id`) !== undefined;
    fell[made === 0 ? "before" : saved ? "after" : "within"]++;
    stage.startDaemon();
    await registered(stage);
    const left = stage.cloud.operators().filter(({ deleted }) => !deleted).length;
    if (left !== 1) {
      problems.push(`moment ${moment} of registration: ${left} operators are left in the cloud`);
    }
  }
  if (moments > 1 && fell.within === 0) {
    problems.push("no kill fell between the making of an operator and its id on disk");
  }
  return { problems, fell };
}

async function registered(stage: Stage): Promise<void> {
  await stage.until("registered", async () => {
    const { registered, certificate, api } = await stage.askStatus();
    return registered && certificate !== null && api.state === "ok";
  });
}

function storeOf({ etc }: Stage): IdentityStore {
  return new IdentityStore({ directory: etc, certPath: `${etc}/tls.crt`, keyPath: `${etc}/tls.key`, files });
}

async function main(): Promise<number> {
  const moments = Number(Deno.args[0] ?? DEFAULT_MOMENTS);
  if (Deno.args.length > 1 || !Number.isInteger(moments) || moments < 1) {
    writeErr("Usage: deno task crash:renewal [MOMENTS]\n");
    return 2;
  }
  const parts = [["renewal", await crashRenewals(moments)], [
    "registration",
    await crashRegistrations(moments),
  ]] as const;
  for (const [name, { problems, fell }] of parts) {
    const kills = Object.values(fell).reduce((sum, count) => sum + count, 0);
    writeOut(`${name}: killed at ${kills} moments, ${JSON.stringify(fell)}, ${problems.length} problems\n`);
    for (const problem of problems) writeErr(`${problem}\n`);
  }
  return parts.every(([, { problems }]) => problems.length === 0) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
