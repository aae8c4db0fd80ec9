import assert from "node:assert/strict";
import { whileServing } from "./served_endpoint.ts";

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
/**
 * A renewal and the requests of a poll beside its pages, each once or twice; a busy loop makes
 * hundreds.
 */
const MAX_REQUESTS = 10;

/** A clock for `Date.now()` in the daemon; timers, TLS and a running simulator do not use it. */
function movableClock(): { leadMs: number } & Disposable {
  const { now } = Date;
  const clock = { leadMs: 0, [Symbol.dispose]: () => void (Date.now = now) };
  Date.now = () => now() + clock.leadMs;
  return clock;
}

for (
  const [jump, leadMs, expected, renewals] of [
    ["10 years ahead", 10 * YEAR, /slept or its clock was set forward by 3153\d{5} s/, 1],
    ["10 years back", -10 * YEAR, /The clock was set back by 3153\d{5} s/, 1],
    ["an hour back", -HOUR, /The clock was set back by 3(?:599|600) s/, 0],
  ] as const
) {
  Deno.test(`runDaemon() polls and removes nothing after the clock jumps ${jump} (F20)`, async () => {
    // The daemon takes the clock at its start.
    using clock = movableClock();
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
      // The first connections may still meet a pause that began while the clock was wrong.
      await machine.until("it serves with the right clock", () => assertServed("then").then(() => true));
      assert.equal(count("operators.update"), renewals);
      assert.equal(count("operators.create"), 0);
      const polls = count("bound_endpoints.list");
      const requests = cloud.requests().length - first;
      assert.ok(requests - polls <= MAX_REQUESTS && polls <= 20, `${requests} requests, ${polls} polls`);
    });
  });
}
