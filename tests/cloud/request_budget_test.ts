import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import fc from "fast-check";
import { RequestBudget, type RequestKind } from "../../src/cloud/request_budget.ts";

/** Runs the test with a clock that stands at 0. */
async function withClock(test: (clock: FakeTimers.Clock) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({
    now: 0,
    loopLimit: 1_000_000,
    toFake: ["setTimeout", "clearTimeout", "performance"],
  });
  try {
    await test(clock);
  } finally {
    clock.uninstall();
  }
}

async function takeList(budget: RequestBudget, pages: number): Promise<void> {
  for (let page = 0; page < pages; page++) await budget.take(page === 0 ? "first_page" : "page");
}

Deno.test("RequestBudget lets a list of a hundred pages burst while all goes well, and a renewal right after it", () =>
  withClock(async (clock) => {
    const budget = new RequestBudget();
    assert.equal(budget.waitMs(100), 0);
    await takeList(budget, 100);
    await budget.take("other", { maxWaitMs: 0 });
    assert.equal(budget.waitMs(1), 61_000);
    clock.tick(61_000);
    assert.equal(budget.waitMs(100), 0);
    assert.equal(clock.countTimers(), 0);
  }));

Deno.test("RequestBudget keeps ten places from lists after a failure, and lets no more than 60 requests go", () =>
  withClock(async () => {
    const budget = new RequestBudget();
    budget.failed();
    await takeList(budget, 50);
    await assert.rejects(budget.take("page", { maxWaitMs: 10_000 }), { code: "busy", message: /wait 61 s/ });
    for (let request = 0; request < 10; request++) await budget.take("other", { maxWaitMs: 0 });
    await assert.rejects(budget.take("other", { maxWaitMs: 10_000 }), { code: "busy" });
  }));

Deno.test("RequestBudget stays cautious after a failure until a whole list was read", () =>
  withClock(async (clock) => {
    const budget = new RequestBudget();
    budget.failed();
    clock.tick(600_000);
    await takeList(budget, 50);
    await assert.rejects(budget.take("page", { maxWaitMs: 0 }), { code: "busy" });
    budget.listed();
    await budget.take("page", { maxWaitMs: 0 });
  }));

Deno.test("RequestBudget ends a wait when the signal aborts, and does not count what was not sent", () =>
  withClock(async (clock) => {
    const budget = new RequestBudget();
    await takeList(budget, 110);
    const stop = new AbortController();
    const waiting = budget.take("page", { signal: stop.signal });
    stop.abort(new Error("stopped"));
    await assert.rejects(waiting, /stopped/);
    assert.equal(clock.countTimers(), 0);
    clock.tick(61_000);
    assert.equal(budget.waitMs(110), 0);
  }));

Deno.test("RequestBudget lets no more than 60 requests into any 60 s whatever is asked, when lists fail or are short", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          kind: fc.constantFrom<RequestKind>("first_page", "page", "other"),
          count: fc.nat(70),
          pauseMs: fc.nat(60_000),
        }),
        { maxLength: 6 },
      ),
      (bursts) =>
        withClock(async (clock) => {
          const budget = new RequestBudget();
          budget.failed();
          const taken: number[] = [];
          const asking: Promise<void>[] = [];
          for (const { kind, count, pauseMs } of bursts) {
            for (let request = 0; request < count; request++) {
              asking.push(budget.take(kind).then(() => void taken.push(performance.now())));
            }
            await clock.tickAsync(pauseMs);
          }
          await clock.runAllAsync();
          await Promise.all(asking);
          for (let index = 60; index < taken.length; index++) {
            assert.ok(taken[index]! - taken[index - 60]! >= 60_000, `${taken[index - 60]} ${taken[index]}`);
          }
        }),
    ),
    { seed: 20260130, numRuns: 30 },
  ));
