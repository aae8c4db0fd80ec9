import assert from "node:assert/strict";
import { DroppedLog } from "../../src/dns/dropped_log.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

Deno.test("DroppedLog logs a name once a day, and at most 100 names", async () => {
  using time = fakeClock();
  await using logged = await captureLog();
  const dropped = new DroppedLog();
  for (let count = 0; count < 3; count++) dropped.report("nas.corp", "10.107.0.2 leads to this machine");
  assert.equal(logged.lines("warning").length, 1);
  for (let count = 0; count < 300; count++) dropped.report(`n${count}.evil.org`, "127.0.0.1 leads here");
  assert.equal(logged.lines("warning").length, 101, "100 names, and that there are more");
  await time.pass(24 * 60 * 60 * 1000);
  dropped.report("nas.corp", "10.107.0.2 leads to this machine");
  assert.equal(logged.lines("warning").length, 102);
});
