import assert from "node:assert/strict";
import { FailureLog } from "../../src/forward/failure_log.ts";
import { DialError, UpgradeError } from "../../src/model/errors.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

const REFUSED = new DialError("Cannot connect to x:443: connection refused", {
  code: "refused",
  hint: "Look there",
});
const OFFLINE = new UpgradeError("Cannot reach a:80: ERR_NGROK_3200: offline", { code: "ERR_NGROK_3200" });

Deno.test("FailureLog warns once in 10 s per refused endpoint, and logs when it works again", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const log = new FailureLog();
  for (let count = 0; count < 100; count++) log.recordFailure("a:80", OFFLINE);
  log.recordFailure("b:80", OFFLINE);
  assert.equal(logged.lines("warning").length, 2);
  log.recordSuccess("a:80");
  log.recordFailure("a:80", OFFLINE);
  assert.equal(logged.records.length, 2, "an endpoint that flaps does not flood the log");
  await clock.pass(10_000);
  log.recordFailure("a:80", OFFLINE);
  assert.match(logged.lines("warning")[2]!, /a:80.*ERR_NGROK_3200/);
  assert.equal(logged.records[2]!.properties["suppressed"], 100);
  assert.equal(logged.records[2]!.properties["code"], "ERR_NGROK_3200");
  await clock.pass(10_000);
  log.recordSuccess("a:80");
  log.recordSuccess("a:80");
  assert.equal(logged.lines("info").length, 1);
});

Deno.test("FailureLog logs one line for all endpoints when the ingress is down (F60)", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const log = new FailureLog();
  const silent = new UpgradeError("Cannot reach a:80: the ingress does not answer", { code: "timeout" });
  for (let number = 0; number < 10_000; number++) log.recordFailure(`e${number}:80`, REFUSED);
  for (let number = 0; number < 10_000; number++) log.recordFailure(`e${number}:80`, silent);
  assert.equal(logged.records.length, 2, "one line for each reason");
  assert.match(logged.lines("warning")[0]!, /connection refused/);
  await clock.pass(10_000);
  log.recordFailure("e5:80", REFUSED);
  assert.equal(logged.records[2]!.properties["suppressed"], 9_999);
  log.recordSuccess("e7:80");
  assert.deepEqual(logged.lines("info"), [], "one of the reasons is less than 10 s old");
  await clock.pass(10_000);
  log.recordSuccess("e7:80");
  log.recordSuccess("e8:80");
  assert.deepEqual(logged.lines("info"), ["Connections to the ingress work again"]);
});

Deno.test("FailureLog warns about 20 endpoints in 10 s, and then counts the others", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const log = new FailureLog();
  for (let number = 0; number < 10_000; number++) log.recordFailure(`e${number}:80`, OFFLINE);
  assert.equal(logged.records.length, 20);
  await clock.pass(10_000);
  log.recordFailure("e9:80", OFFLINE);
  assert.equal(logged.lines("warning")[20], "Suppressed 9980 messages about other endpoints");
  assert.match(String(logged.records[20]!.properties["hint"]), /ngrokctl list/);
  assert.match(logged.lines("warning")[21]!, /e9:80/);
  assert.equal(logged.records.length, 22);
});

Deno.test("FailureLog forgets endpoints that are gone", async () => {
  await using logged = await captureLog();
  const log = new FailureLog();
  log.recordFailure("a:80", OFFLINE);
  log.recordFailure("b:80", OFFLINE);
  log.retain(new Set(["b:80"]));
  log.recordFailure("a:80", OFFLINE);
  log.recordFailure("b:80", OFFLINE);
  assert.equal(logged.lines("warning").length, 3);
});
