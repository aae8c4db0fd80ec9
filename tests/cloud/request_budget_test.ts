import assert from "node:assert/strict";
import fc from "fast-check";
import { RequestBudget, type RequestKind } from "../../src/cloud/request_budget.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

async function takeList(budget: RequestBudget, pages: number): Promise<void> {
  for (let page = 0; page < pages; page++) await budget.take(page === 0 ? "first_page" : "page");
}

Deno.test("RequestBudget allows a burst of a hundred pages while nothing fails, and then a renewal", async () => {
  using clock = fakeClock();
  const budget = new RequestBudget();
  assert.equal(budget.waitMs(100), 0);
  await takeList(budget, 100);
  await budget.take("other", { maxWaitMs: 0 });
  assert.equal(budget.waitMs(1), 61_000);
  await clock.pass(61_000);
  assert.equal(budget.waitMs(100), 0);
  assert.equal(clock.timers(), 0);
});

Deno.test("RequestBudget allows 50 pages after a failure, and 60 requests in all", async () => {
  using _clock = fakeClock();
  const budget = new RequestBudget();
  budget.recordFailure();
  await takeList(budget, 50);
  await assert.rejects(budget.take("page", { maxWaitMs: 10_000 }), { code: "busy", hint: "Wait 61 s" });
  for (let request = 0; request < 10; request++) await budget.take("other", { maxWaitMs: 0 });
  await assert.rejects(budget.take("other", { maxWaitMs: 10_000 }), { code: "busy" });
});

Deno.test("RequestBudget stays small after a failure until a whole list was read", async () => {
  using clock = fakeClock();
  const budget = new RequestBudget();
  budget.recordFailure();
  await clock.pass(600_000);
  await takeList(budget, 50);
  await assert.rejects(budget.take("page", { maxWaitMs: 0 }), { code: "busy" });
  budget.recordFullList();
  await budget.take("page", { maxWaitMs: 0 });
});

Deno.test("RequestBudget ends a wait when the signal aborts, and does not count that request", async () => {
  using clock = fakeClock();
  const budget = new RequestBudget();
  await takeList(budget, 110);
  const stop = new AbortController();
  const waiting = budget.take("page", { signal: stop.signal });
  stop.abort(new Error("stopped"));
  await assert.rejects(waiting, /stopped/);
  assert.equal(clock.timers(), 0);
  await clock.pass(61_000);
  assert.equal(budget.waitMs(110), 0);
});

Deno.test("property: RequestBudget allows at most 60 requests in any 60 s after a failure", () =>
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
      async (bursts) => {
        using clock = fakeClock();
        const budget = new RequestBudget();
        budget.recordFailure();
        const taken: number[] = [];
        const waiting: Promise<void>[] = [];
        for (const { kind, count, pauseMs } of bursts) {
          for (let request = 0; request < count; request++) {
            waiting.push(budget.take(kind).then(() => void taken.push(performance.now())));
          }
          await clock.pass(pauseMs);
        }
        await clock.pass(3_600_000);
        await Promise.all(waiting);
        for (let index = 60; index < taken.length; index++) {
          assert.ok(taken[index]! - taken[index - 60]! >= 60_000, `${taken[index - 60]} ${taken[index]}`);
        }
      },
    ),
    { seed: 20260130, numRuns: 30 },
  ));
