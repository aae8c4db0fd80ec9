import assert from "node:assert/strict";
import { DroppedLog } from "../../src/dns/dropped_log.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

const NAS = { name: "nas.corp", reason: "10.107.0.2 leads to this machine", canAllow: true };

Deno.test("DroppedLog logs a name once a day, and at most 100 names", async () => {
  using time = fakeClock();
  await using logged = await captureLog();
  const dropped = new DroppedLog();
  for (let count = 0; count < 3; count++) dropped.report(NAS);
  assert.equal(logged.lines("warning").length, 1);
  for (let count = 0; count < 300; count++) {
    dropped.report({ name: `n${count}.evil.org`, reason: "127.0.0.1 leads here" });
  }
  assert.equal(logged.lines("warning").length, 101, "100 names, and that there are more");
  await time.pass(24 * 60 * 60 * 1000);
  dropped.report(NAS);
  assert.equal(logged.lines("warning").length, 102);
});

Deno.test("DroppedLog prints a hint only if it works", async () => {
  using _time = fakeClock();
  await using logged = await captureLog();
  const dropped = new DroppedLog();
  dropped.report(NAS);
  dropped.report({ name: "\x01", reason: "a record is malformed" });
  const hints = logged.records.map(({ properties }) => properties["hint"]);
  assert.deepEqual(hints, [
    'If it is right, add "nas.corp" to dns.allow_private: ngrokctl config edit',
    undefined,
  ]);
  assert.ok(!logged.lines("warning")[1]!.includes("\x01"), "it is printable");
});

// A server that blocks names hid the other ones after 100 blocked names.
Deno.test("DroppedLog logs 0.0.0.0 and :: at debug, and does not count them", async () => {
  using _time = fakeClock();
  await using logged = await captureLog();
  const dropped = new DroppedLog();
  for (let count = 0; count < 200; count++) {
    dropped.report({ name: `ad${count}.org`, reason: "0.0.0.0 leads to this machine", isBlock: true });
  }
  assert.deepEqual([logged.lines("warning").length, logged.lines("debug").length], [0, 200]);
  dropped.report(NAS);
  assert.equal(logged.lines("warning").length, 1);
});
