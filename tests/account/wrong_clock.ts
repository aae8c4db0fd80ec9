import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import type { Renewals } from "../../src/account/renewals.ts";
import type { Account } from "../../src/account/account.ts";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import type { ApiRoute } from "../../sim/cloud/faults.ts";
import { PendingRequests } from "./pending_requests.ts";
import { register } from "./registered_account.ts";

const START = Date.UTC(2027, 0, 1);
const MINUTE_MS = 60_000;
/** A busy loop has thousands. */
const MOST_STEPS_PER_MINUTE = 600;

/** A machine in faked time that renews with the simulated cloud, whose clock is always right. */
export interface ClockWorld {
  readonly cloud: SimulatedCloud;
  readonly account: Account;
  readonly renewals: Renewals;
  /** Sets the machine's clock this much ahead of the cloud's; timers do not notice. */
  setClock(leadMs: number): void;
  /** Lets so much time pass, timer by timer. Fails if there are as many as in a busy loop. */
  pass(ms: number): Promise<void>;
  /** The number of requests of one kind so far. */
  count(route: ApiRoute): number;
}

/** Registers a daemon with certificates of this life, and runs its renewals from then on. */
export async function withWrongClock(
  lifeMs: number,
  test: (world: ClockWorld) => Promise<void>,
): Promise<void> {
  const clock = FakeTimers.install({
    now: START,
    toFake: ["Date", "setTimeout", "clearTimeout", "performance"],
  });
  const directory = await Deno.makeTempDir({ prefix: "ngrokd-clock-" });
  const stop = new AbortController();
  const pending = new PendingRequests();
  let lead = 0;
  const cloud = await SimulatedCloud.start({ now: () => Date.now() - lead });
  async function pass(ms: number): Promise<void> {
    const end = performance.now() + ms;
    let steps = 0;
    let isOver = false;
    setTimeout(() => isOver = true, ms);
    while (!isOver) {
      clock.next();
      await pending.answered();
      const most = MOST_STEPS_PER_MINUTE * Math.max(1, ms / MINUTE_MS);
      assert.ok(
        ++steps <= most,
        `a busy loop: ${steps} timers, ${end - performance.now()} ms before the end`,
      );
    }
  }
  let runs: Promise<void> | undefined;
  try {
    cloud.setCertificateLifetime(lifeMs);
    const account = await register(cloud, { directory, signal: stop.signal });
    const renewals = pending.renewals(account, {
      intervalMs: () => 60 * MINUTE_MS,
      random: () => 0.5,
    });
    runs = renewals.run(stop.signal);
    await pending.answered();
    await test({
      cloud,
      account,
      renewals,
      setClock(leadMs) {
        clock.setSystemTime(Date.now() - lead + leadMs);
        lead = leadMs;
      },
      pass,
      count: (route) => cloud.requests().filter((request) => request.route === route).length,
    });
  } finally {
    stop.abort();
    clock.uninstall();
    await runs;
    await cloud[Symbol.asyncDispose]();
    await Deno.remove(directory, { recursive: true });
  }
}
