import assert from "node:assert/strict";
import { Shutdown } from "../../src/daemon/shutdown.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

Deno.test("Shutdown runs its steps in reverse order, each after the end of the one before it", async () => {
  await using _logged = await captureLog();
  const shutdown = new Shutdown();
  const order: string[] = [];
  for (const name of ["first", "second", "third"]) {
    shutdown.add(`end ${name}`, async () => {
      order.push(name);
      await new Promise((resolve) => setTimeout(resolve, 1));
      order.push(`${name} ended`);
    });
  }
  assert.equal(shutdown.signal.aborted, false);
  await shutdown[Symbol.asyncDispose]();
  assert.equal(shutdown.signal.aborted, true);
  assert.deepEqual(order, ["third", "third ended", "second", "second ended", "first", "first ended"]);
  assert.deepEqual([shutdown.isClean, shutdown.isOrderly], [true, false]);
  await shutdown[Symbol.asyncDispose]();
  assert.equal(order.length, 6, "a second disposal does nothing");
});

Deno.test("Shutdown runs the other steps after one that fails, and is not clean", async () => {
  await using logged = await captureLog();
  const shutdown = new Shutdown();
  let isRun = false;
  shutdown.add("close the first part", () => {
    isRun = true;
    return Promise.resolve();
  });
  shutdown.add("close the second part", () => Promise.reject(new Error("no")));
  await shutdown[Symbol.asyncDispose]();
  assert.deepEqual(logged.lines("error"), ["Cannot close the second part: no"]);
  assert.deepEqual([isRun, shutdown.isClean], [true, false]);
});

Deno.test("Shutdown is not clean if a step cut something off", async () => {
  const shutdown = new Shutdown();
  shutdown.add("drain", () => Promise.resolve(false));
  await shutdown[Symbol.asyncDispose]();
  assert.equal(shutdown.isClean, false);
});

Deno.test("Shutdown stops at the first signal, is forced at the second, and is orderly", async () => {
  await using _logged = await captureLog();
  const shutdown = new Shutdown();
  const states = () => [shutdown.signal.aborted, shutdown.forced.aborted, shutdown.isOrderly];
  assert.deepEqual(states(), [false, false, false]);
  shutdown.request("SIGTERM");
  assert.deepEqual(states(), [true, false, true]);
  shutdown.request("SIGINT");
  assert.deepEqual(states(), [true, true, true]);
});

Deno.test("Shutdown after a failure is forced at the first signal, and is not orderly", async () => {
  await using _logged = await captureLog();
  const shutdown = new Shutdown();
  await shutdown[Symbol.asyncDispose]();
  shutdown.request("SIGTERM");
  assert.deepEqual([shutdown.forced.aborted, shutdown.isOrderly], [true, false]);
});

Deno.test("Shutdown waits for running work, but only 1 s longer after a second signal", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const shutdown = new Shutdown();
  shutdown.addWait("finish the round", () => new Promise(() => {}));
  let hasEnded = false;
  shutdown.request("SIGTERM");
  const ending = shutdown[Symbol.asyncDispose]().then(() => hasEnded = true);
  await clock.pass(60_000);
  assert.equal(hasEnded, false);
  shutdown.request("SIGTERM");
  await clock.pass(999);
  assert.equal(hasEnded, false);
  await clock.pass(1);
  await ending;
  assert.deepEqual(logged.lines("warning"), ["Cannot finish the round: it takes too long"]);
  assert.equal(shutdown.isClean, true);
});
