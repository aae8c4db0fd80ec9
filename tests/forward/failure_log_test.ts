import assert from "node:assert/strict";
import { FailureLog } from "../../src/forward/failure_log.ts";
import { DialError, UpgradeError } from "../../src/model/errors.ts";
import { captureLog } from "./captured_log.ts";
import { fakeClock } from "./fake_clock.ts";

const REFUSED = new DialError("Cannot connect to x:443: connection refused", {
  code: "refused",
  hint: "Look there",
});
const OFFLINE = new UpgradeError("Cannot reach a:80: ERR_NGROK_3200: offline", { code: "ERR_NGROK_3200" });

Deno.test("FailureLog warns once in 10 s per endpoint, counts what it leaves out, and says when it works again", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const log = new FailureLog();
  for (let count = 0; count < 100; count++) log.failed("a:80", REFUSED);
  log.failed("b:80", OFFLINE);
  assert.equal(logged.lines("warning").length, 2);
  log.worked("a:80");
  log.failed("a:80", OFFLINE);
  assert.equal(logged.records.length, 2, "an endpoint that comes and goes does not flood the log either");
  await clock.pass(10_000);
  log.failed("a:80", OFFLINE);
  assert.match(logged.lines("warning")[2]!, /a:80.*ERR_NGROK_3200/);
  assert.equal(logged.records[2]!.properties["suppressed"], 100);
  assert.equal(logged.records[2]!.properties["code"], "ERR_NGROK_3200");
  await clock.pass(10_000);
  log.worked("a:80");
  log.worked("a:80");
  assert.equal(logged.lines("info").length, 1);
});

Deno.test("FailureLog forgets endpoints that are gone", async () => {
  await using logged = await captureLog();
  const log = new FailureLog();
  log.failed("a:80", REFUSED);
  log.failed("b:80", REFUSED);
  log.retain(new Set(["b:80"]));
  log.failed("a:80", REFUSED);
  log.failed("b:80", REFUSED);
  assert.equal(logged.lines("warning").length, 3);
});
