import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { Health, type HealthOptions } from "../../src/web/health_listener.ts";
import { BindError, type BindFailure } from "../../src/model/errors.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { captureLog } from "../fakes/captured_log.ts";

function makeHealth(listen: HealthOptions["listen"]): Health {
  return new Health({
    listen,
    report: () => assert.fail("nothing is served"),
    admit: () => true,
    hostNames: () => [],
  });
}

// It told to stop another program for a port below 1024 too.
Deno.test("Health logs once that it cannot bind, and blames another program only if there is one", async () => {
  for (const [reason, isBlamed] of [["in_use", true], ["denied", false]] as [BindFailure, boolean][]) {
    await using logged = await captureLog();
    const health = makeHealth(() => {
      throw new BindError("Cannot bind 127.0.0.1:81: no", { address: "127.0.0.1:81", reason });
    });
    for (let attempt = 0; attempt < 2; attempt++) await health.listen({ address: "127.0.0.1", port: 81 });
    await health.close();
    const { error } = health.report;
    assert.equal(error!.includes("Stop the program"), isBlamed);
    assert.match(error!, /server\.health_port/);
    assert.deepEqual(logged.lines("error"), [`Cannot start the health server: ${error}`]);
  }
});

// One EMFILE ended the health server for good, and a port in use was never tried again.
Deno.test("Health binds again after a failed bind and after its listener has failed (R70)", async () => {
  await using logged = await captureLog();
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  const failures = [new BindError("in use", { address: "x", reason: "in_use" })];
  const errorWith = (code: string) => Object.assign(new Error(code), { code });
  let acceptFailures: Error[] = [];
  let waiting = Promise.withResolvers<never>();
  let binds = 0;
  const health = makeHealth((where) => {
    binds++;
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    const listener = listenTcp(where);
    const accept = () => {
      const failure = acceptFailures.shift();
      return failure === undefined
        ? Promise.race([listener.accept(), waiting.promise])
        : Promise.reject(failure);
    };
    return { ...listener, accept };
  });
  try {
    await health.listen({ address: "127.0.0.1", port: 0 });
    assert.match(health.report.error!, /in use/);
    await clock.tickAsync(1000);
    assert.deepEqual([binds, health.report.error], [2, null]);
    // EMFILE used up the one report of a row, so that EBADF after it was not seen.
    for (const [index, codes] of [["EBADF"], ["EMFILE", "EBADF"]].entries()) {
      const [first, ...rest] = codes.map(errorWith);
      acceptFailures = rest;
      const { reject } = waiting;
      waiting = Promise.withResolvers();
      reject(first);
      for (let tries = 0; tries < 5 && binds < 3 + index; tries++) await clock.tickAsync(1000);
      assert.deepEqual([binds, health.report.error], [3 + index, null], codes.join());
    }
    assert.equal(logged.lines("error").length, 3);
  } finally {
    await health.close();
    clock.uninstall();
  }
});
