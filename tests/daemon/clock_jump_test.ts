import assert from "node:assert/strict";
import { whileServing } from "./served_endpoint.ts";

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
/**
 * A renewal and the requests of a poll beside its pages, each once or twice; a busy loop makes
 * hundreds.
 */
const MAX_REQUESTS = 10;

/** A clock for `Date.now()`. Timers, TLS and a simulator that runs already do not use it. */
class MovableClock implements Disposable {
  leadMs = 0;
  readonly #now = Date.now;

  install(): void {
    Date.now = () => this.#now() + this.leadMs;
  }

  [Symbol.dispose](): void {
    Date.now = this.#now;
  }
}

for (
  const [jump, leadMs, expected, renewals] of [
    ["10 years ahead", 10 * YEAR, /slept or its clock was set forward by 3153\d{5} s/, 1],
    ["10 years back", -10 * YEAR, /The clock was set back by 3153\d{5} s/, 1],
    ["an hour back", -HOUR, /The clock was set back by 3(?:599|600) s/, 0],
  ] as const
) {
  Deno.test(`runDaemon() polls and removes nothing after the clock jumps ${jump} (F20)`, async () => {
    // The cloud runs when the clock is installed, and keeps the right one; the daemon starts with
    // it.
    using clock = new MovableClock();
    await whileServing(async ({ machine, cloud, assertKept, assertServed }) => {
      const first = cloud.requests().length;
      const count = (route: string) => cloud.requests().slice(first).filter((r) => r.route === route).length;
      clock.leadMs = leadMs;
      await machine.untilLogged(expected);
      await machine.until("a poll", () => count("bound_endpoints.list") > 0);
      await machine.until("the renewal decision", () => count("operators.update") === renewals);
      // A clock that is years wrong makes every certificate invalid, so that connections may fail.
      await assertKept("with the wrong clock");
      const { api, uptime_seconds } = await machine.askStatus();
      assert.equal(api.state, "ok");
      assert.ok(uptime_seconds >= 0 && uptime_seconds < 60, `up for ${uptime_seconds} s`);
      clock.leadMs = 0;
      await assertServed("with the right clock");
      assert.equal(count("operators.update"), renewals);
      assert.equal(count("operators.create"), 0);
      const polls = count("bound_endpoints.list");
      const requests = cloud.requests().length - first;
      assert.ok(requests - polls <= MAX_REQUESTS && polls <= 20, `${requests} requests, ${polls} polls`);
    }, () => clock.install());
  });
}
