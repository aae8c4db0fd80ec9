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
  assert.deepEqual([shutdown.unfinished, shutdown.isOrderly], [[], false]);
  await shutdown[Symbol.asyncDispose]();
  assert.equal(order.length, 6, "a second disposal does nothing");
});

Deno.test("Shutdown runs the other steps after one that fails, and names it", async () => {
  await using logged = await captureLog();
  const shutdown = new Shutdown();
  let isRun = false;
  shutdown.add("close the first part", () => {
    isRun = true;
    return Promise.resolve();
  });
  shutdown.add("close the second part", () => Promise.reject(new Error("no")));
  await shutdown[Symbol.asyncDispose]();
  assert.deepEqual(logged.lines("error"), ["Problem while trying to close the second part: no"]);
  assert.deepEqual([isRun, shutdown.unfinished], [true, ["close the second part"]]);
});

Deno.test("Shutdown names a step that cut something off", async () => {
  const shutdown = new Shutdown();
  shutdown.add("drain", () => Promise.resolve(false));
  await shutdown[Symbol.asyncDispose]();
  assert.deepEqual(shutdown.unfinished, ["drain"]);
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
  assert.deepEqual(shutdown.unfinished, []);
});

// A failure once waited for a hanging round for ever.
Deno.test("Shutdown after a failure waits 1 s for running work", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const shutdown = new Shutdown();
  let isUndone = false;
  shutdown.add("undo", () => Promise.resolve(void (isUndone = true)));
  shutdown.addWait("finish the round", () => new Promise(() => {}));
  const ending = shutdown[Symbol.asyncDispose]();
  await clock.pass(999);
  assert.equal(isUndone, false);
  await clock.pass(1);
  await ending;
  assert.equal(isUndone, true);
  assert.deepEqual(logged.lines("warning"), ["Cannot finish the round: it takes too long"]);
  assert.equal(clock.timers(), 0);
});

Deno.test("Shutdown tells a step that it is late 1 s after a second signal, also before its start", async () => {
  await using _logged = await captureLog();
  using clock = fakeClock();
  const shutdown = new Shutdown();
  shutdown.add("undo", async (late) => {
    await new Promise((resolve) => late.addEventListener("abort", resolve));
    return false;
  });
  for (let signals = 0; signals < 2; signals++) shutdown.request("SIGTERM");
  let hasEnded = false;
  const ending = shutdown[Symbol.asyncDispose]().then(() => hasEnded = true);
  await clock.pass(999);
  assert.equal(hasEnded, false);
  await clock.pass(1);
  await ending;
  assert.deepEqual(shutdown.unfinished, ["undo"]);
});
