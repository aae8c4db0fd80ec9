import FakeTimers from "@sinonjs/fake-timers";
import type { Renewals } from "../../src/account/renewals.ts";
import type { Account } from "../../src/account/account.ts";
import type { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { SeededRandom } from "../../sim/cloud/seeded_random.ts";
import { PendingRequests } from "./pending_requests.ts";
import { register } from "./registered_account.ts";

const START = Date.UTC(2027, 0, 1);
const HOUR_MS = 3600_000;

/** The lives of certificates that renewal is proven with (docs/reliability.md R37). */
export const LIVES: readonly (readonly [name: string, lifeMs: number])[] = [
  ["90 d", 90 * 24 * HOUR_MS],
  ["7 d", 7 * 24 * HOUR_MS],
  ["24 h", 24 * HOUR_MS],
  ["1 h", HOUR_MS],
  ["10 min", 600_000],
];

/** One run: daemons that register in the same second and run until each has renewed once. */
export interface RunPlan {
  readonly lifeMs: number;
  readonly seed: number;
  /** True if the API is down for the first half of the window. */
  readonly down: boolean;
  readonly daemons: number;
}

/** The result of a run. */
export interface RunResult {
  /** Each violation of R37; empty if there is none. */
  readonly problems: string[];
  /** The time of each renewal as a part of the first tenth of the window, 0 to 1. */
  readonly starts: number[];
}

/** Runs real accounts and their renewals against the simulated cloud, in faked time. */
export async function runRenewal(cloud: SimulatedCloud, plan: RunPlan): Promise<RunResult> {
  const { lifeMs, seed, down, daemons } = plan;
  const clock = FakeTimers.install({
    now: START,
    toFake: ["Date", "performance", "setTimeout", "clearTimeout"],
  });
  const directory = await Deno.makeTempDir({ prefix: "ngrokd-renewal-" });
  const random = new SeededRandom(seed);
  const stop = new AbortController();
  const pending = new PendingRequests();
  const problems: string[] = [];
  try {
    cloud.reset();
    cloud.setRateLimit(Number.MAX_SAFE_INTEGER);
    cloud.setCertificateLifetime(lifeMs);
    const members: { account: Account; renewals: Renewals }[] = [];
    for (let number = 0; number < daemons; number++) {
      const account = await register(cloud, { directory: `${directory}/${number}`, signal: stop.signal });
      const renewals = pending.renewals(account, { intervalMs: () => HOUR_MS, random: () => random.next() });
      members.push({ account, renewals });
    }
    const { notAfter } = members[0]!.account.certificate!;
    const opensAt = notAfter - lifeMs / 3;
    const first = cloud.requests().length;
    if (down) await cloud.closeApi();
    let isDown = down;
    clock.setSystemTime(START + lifeMs * 0.655);
    const runs = members.map(({ renewals }) => renewals.run(stop.signal));
    await pending.answered();
    const old = members.map(({ account }) => account.certificate!.serial);
    const isDone = () => members.every(({ account }, index) => account.certificate!.serial !== old[index]);
    while (!isDone() && Date.now() < notAfter) {
      if (isDown && Date.now() >= opensAt + lifeMs / 6) {
        await cloud.openApi();
        isDown = false;
      }
      clock.next();
      if (members.some(({ account }) => account.pair!.info.notAfter <= Date.now())) {
        problems.push(`a dial at ${stamp(Date.now())} would use an expired certificate`);
      }
      await pending.answered();
    }
    if (!isDone()) problems.push("it was not renewed before the end");
    const renewals = cloud.requests().slice(first).filter(({ route }) => route === "operators.update");
    if (renewals.length !== daemons || renewals.some(({ status }) => status !== 200)) {
      problems.push(`${renewals.length} renewals of ${daemons} daemons`);
    }
    const starts = renewals.map(({ at }) => (at - opensAt) / (lifeMs / 30));
    const outside = starts.filter((start) => start < 0 || !down && start >= 1);
    if (outside.length > 0) problems.push(`not in the first tenth: ${outside.join(", ")}`);
    stop.abort();
    await Promise.all(runs);
    if (isDown) await cloud.openApi();
    return { problems, starts };
  } finally {
    stop.abort();
    clock.uninstall();
    await Deno.remove(directory, { recursive: true });
  }
}

/** The fifths of the first tenth in which no renewal began; a fleet leaves none empty. */
export function emptyFifths(starts: readonly number[]): number[] {
  return [0, 1, 2, 3, 4].filter((fifth) => !starts.some((start) => Math.floor(start * 5) === fifth));
}

function stamp(ms: number): string {
  return new Date(ms).toISOString();
}
