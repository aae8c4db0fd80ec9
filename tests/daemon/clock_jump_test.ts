import assert from "node:assert/strict";
import { fakeMachine } from "./fake_machine.ts";
import { serving } from "./serving.ts";
import { statusOf, withDaemon } from "./with_daemon.ts";

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
/** A renewal and what a poll needs beside its pages, each once or twice; a busy loop makes hundreds. */
const MOST_REQUESTS = 10;

/** The clock that the daemon reads from now on; timers, TLS and a simulator that runs already take no notice. */
function movableClock(): { leadMs: number } & Disposable {
  const { now } = Date;
  const clock = { leadMs: 0, [Symbol.dispose]: () => void (Date.now = now) };
  Date.now = () => now() + clock.leadMs;
  return clock;
}

for (
  const [index, [name, leadMs, says, renewals]] of ([
    ["10 years ahead", 10 * YEAR, /slept or its clock was set forward \(3153\d{5} s\)/, 1],
    ["10 years back", -10 * YEAR, /The clock was set back \(3153\d{5} s\)/, 1],
    ["an hour back", -HOUR, /The clock was set back \(3(?:599|600) s\)/, 0],
  ] as const).entries()
) {
  Deno.test(`runDaemon() removes nothing when the clock jumps ${name}, asks the API, and decides about renewal once (F20)`, async () => {
    await using machine = await fakeMachine(`net: {subnet: 127.${124 + index}.0.0/16}`);
    const { cloud, out } = machine;
    using clock = movableClock();
    cloud.addEndpoint({ url: "http://api.myapp:8371", backend: "http" });
    await withDaemon(machine, async () => {
      const { isKept, stays } = await serving(machine);
      const first = cloud.requests().length;
      const count = (route: string) => cloud.requests().slice(first).filter((r) => r.route === route).length;
      clock.leadMs = leadMs;
      await machine.until("the jump is noticed", () => says.test(out.join("")));
      await machine.until("the API is asked", () => count("bound_endpoints.list") > 0);
      await machine.until("it is decided", () => count("operators.update") === renewals);
      // By a clock that is years wrong no certificate is valid, so that connections may fail.
      await isKept("by the wrong clock");
      const { api, uptime_seconds } = await statusOf(machine);
      assert.equal(api.state, "ok");
      assert.ok(uptime_seconds >= 0 && uptime_seconds < 60, `up for ${uptime_seconds} s`);
      clock.leadMs = 0;
      await stays("by the right clock");
      assert.equal(count("operators.update"), renewals);
      assert.equal(count("operators.create"), 0);
      const polls = count("bound_endpoints.list");
      const requests = cloud.requests().length - first;
      assert.ok(requests - polls <= MOST_REQUESTS && polls <= 20, `${requests} requests, ${polls} polls`);
    });
  });
}
