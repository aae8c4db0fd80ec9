import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import fc from "fast-check";
import { PageBudget } from "../../src/sync/page_budget.ts";

const NEVER = new AbortController().signal;

/** Runs the test with a clock that stands at 0. */
async function withClock(test: (clock: FakeTimers.Clock) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({ now: 0, toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    await test(clock);
  } finally {
    clock.uninstall();
  }
}

async function takeMany(budget: PageBudget, count: number): Promise<void> {
  for (let page = 0; page < count; page++) await budget.take(NEVER);
}

Deno.test("PageBudget lets a hundred pages burst, and says when the next hundred can", () =>
  withClock(async (clock) => {
    const budget = new PageBudget();
    assert.equal(budget.waitMs(100), 0);
    await takeMany(budget, 100);
    assert.deepEqual([budget.waitMs(1), budget.waitMs(10), budget.waitMs(11)], [0, 0, 61_000]);
    clock.tick(61_000 - 1);
    assert.equal(budget.waitMs(100), 1);
    clock.tick(1);
    assert.equal(budget.waitMs(100), 0);
    assert.equal(clock.countTimers(), 0);
  }));

Deno.test("PageBudget does not wait for ever for more pages than its window holds", () =>
  withClock(async () => {
    const budget = new PageBudget();
    assert.equal(budget.waitMs(200), 0);
    await takeMany(budget, 110);
    assert.equal(budget.waitMs(200), 61_000);
  }));

Deno.test("PageBudget ends a wait when the signal aborts", () =>
  withClock(async (clock) => {
    const budget = new PageBudget();
    await takeMany(budget, 110);
    const stop = new AbortController();
    const waiting = budget.take(stop.signal);
    stop.abort(new Error("stopped"));
    await assert.rejects(waiting, /stopped/);
    assert.equal(clock.countTimers(), 0);
    assert.equal(budget.waitMs(200), 61_000, "a page that was not asked for does not count");
  }));

Deno.test("PageBudget never lets more than 110 pages into 61 s, whenever they are asked for", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ pages: fc.nat(150), pauseMs: fc.nat(90_000) }), { maxLength: 8 }),
      (bursts) =>
        withClock(async (clock) => {
          const budget = new PageBudget();
          const taken: number[] = [];
          async function ask(): Promise<void> {
            await budget.take(NEVER);
            taken.push(performance.now());
          }
          const asking: Promise<void>[] = [];
          for (const { pages, pauseMs } of bursts) {
            for (let page = 0; page < pages; page++) asking.push(ask());
            await clock.tickAsync(pauseMs);
          }
          await clock.runAllAsync();
          await Promise.all(asking);
          for (let index = 110; index < taken.length; index++) {
            assert.ok(taken[index]! - taken[index - 110]! >= 61_000, `${taken[index - 110]} ${taken[index]}`);
          }
        }),
    ),
    { seed: 20260130, numRuns: 30 },
  ));
