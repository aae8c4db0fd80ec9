import FakeTimers from "@sinonjs/fake-timers";
import type { Renewals } from "../../src/account/renewals.ts";
import type { Account } from "../../src/account/account.ts";
import type { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { SeededRandom } from "../../sim/cloud/seeded_random.ts";
import { Answered } from "./answered.ts";
import { register } from "./registered_account.ts";

const START = Date.UTC(2027, 0, 1);
const HOUR_MS = 3600_000;

/** The lives of certificates that renewal is proven with. */
export const LIVES: readonly (readonly [name: string, lifeMs: number])[] = [
  ["90 d", 90 * 24 * HOUR_MS],
  ["7 d", 7 * 24 * HOUR_MS],
  ["24 h", 24 * HOUR_MS],
  ["1 h", HOUR_MS],
  ["10 min", 600_000],
];

/** One run: daemons that register in the same second and live until each has renewed once. */
export interface RunPlan {
  readonly lifeMs: number;
  readonly seed: number;
  /** Whether the API is down until half of the window is over. */
  readonly down: boolean;
  readonly daemons: number;
}

interface Member {
  readonly account: Account;
  readonly renewals: Renewals;
}

/**
 * Runs the real loop with the real account, store and API client against the simulator, in faked time; gives what was wrong. Every step
 * of time ends at a timer, and before it goes on whatever was asked of the cloud has been answered.
 */
export async function runRenewal(cloud: SimulatedCloud, plan: RunPlan): Promise<string[]> {
  const { lifeMs, seed, down, daemons } = plan;
  const clock = FakeTimers.install({
    now: START,
    toFake: ["Date", "performance", "setTimeout", "clearTimeout"],
  });
  const directory = await Deno.makeTempDir({ prefix: "ngrokd-renewal-" });
  const random = new SeededRandom(seed);
  const stop = new AbortController();
  const answered = new Answered();
  const problems: string[] = [];
  try {
    cloud.reset();
    cloud.setRateLimit(Number.MAX_SAFE_INTEGER);
    cloud.setCertificateLifetime(lifeMs);
    const members: Member[] = [];
    for (let number = 0; number < daemons; number++) {
      const account = await register(cloud, { directory: `${directory}/${number}`, signal: stop.signal });
      const renewals = answered.renewals(account, {
        cloud,
        intervalMs: () => HOUR_MS,
        random: () => random.next(),
      });
      members.push({ account, renewals });
    }
    const { notAfter } = members[0]!.account.certificate!;
    const opensAt = notAfter - lifeMs / 3;
    const first = cloud.requests().length;
    if (down) await cloud.closeApi();
    let isDown = down;
    clock.setSystemTime(START + lifeMs * 0.655);
    const runs = members.map(({ renewals }) => renewals.run(stop.signal));
    await answered.all();
    const old = members.map(({ account }) => account.certificate!.serial);
    const isDone = () => members.every(({ account }, index) => account.certificate!.serial !== old[index]);
    while (!isDone() && Date.now() < notAfter) {
      if (isDown && Date.now() >= opensAt + lifeMs / 6) {
        await cloud.openApi();
        isDown = false;
      }
      clock.next();
      const expired = members.filter(({ account }) => account.pair!.info.notAfter <= Date.now());
      if (expired.length > 0) {
        problems.push(`a dial at ${stamp(Date.now())} would use an expired certificate`);
      }
      await answered.all();
    }
    if (!isDone()) problems.push("it was not renewed before the end");
    const renewed = cloud.requests().slice(first).filter(({ route, body, status }) =>
      route === "operators.update" && body.includes("csr") && status === 200
    ).map(({ at }) => at);
    if (renewed.length !== daemons) problems.push(`${renewed.length} renewals of ${daemons} daemons`);
    if (new Set(renewed.map((at) => Math.floor(at / 1000))).size !== renewed.length) {
      problems.push(`two in one second: ${renewed.map(stamp).join(", ")}`);
    }
    const late = renewed.filter((at) => at < opensAt || !down && at >= opensAt + lifeMs / 30);
    if (late.length > 0) problems.push(`not in the first tenth: ${late.map(stamp).join(", ")}`);
    stop.abort();
    await Promise.all(runs);
    if (isDown) await cloud.openApi();
  } finally {
    stop.abort();
    clock.uninstall();
    await Deno.remove(directory, { recursive: true });
  }
  return problems;
}

function stamp(ms: number): string {
  return new Date(ms).toISOString();
}
