import assert from "node:assert/strict";
import { IngressHealth } from "../../src/forward/ingress_health.ts";
import { isRefusal } from "../../src/forward/upgrade.ts";
import { DialError, type DialFailure, UpgradeError } from "../../src/model/errors.ts";

const REFUSED = new DialError("Cannot connect to x:443: connection refused", {
  code: "refused",
  hint: "Look there",
});
const OFFLINE = new UpgradeError("Cannot reach a:80: ERR_NGROK_3200: offline", { code: "ERR_NGROK_3200" });

Deno.test("IngressHealth stays ok if the ingress only refuses an endpoint", () => {
  const health = new IngressHealth();
  assert.deepEqual(health.report(), { state: "unknown", error: null, hint: null });
  health.recordFailure("a:80", REFUSED);
  assert.deepEqual(health.report(), { state: "failing", error: REFUSED.message, hint: "Look there" });
  health.recordFailure("a:80", OFFLINE);
  assert.deepEqual(health.report(), { state: "ok", error: null, hint: null });
  for (const code of ["timeout", "closed", "malformed"]) {
    health.recordFailure("a:80", new UpgradeError("x", { code }));
    assert.deepEqual(health.report(), { state: "failing", error: "x", hint: null }, code);
    health.recordSuccess("a:80");
    assert.equal(health.report().state, "ok");
  }
});

Deno.test("IngressHealth names the step that failed, and proves nothing by half a way (R109)", () => {
  const health = new IngressHealth();
  const dial = (code: DialFailure) => new DialError("x", { code });
  const rows = [
    [dial("name"), "resolve"],
    [dial("refused"), "connect"],
    [dial("proxy"), "proxy"],
    [dial("untrusted"), "tls"],
    [dial("identity"), "certificate"],
    [new UpgradeError("x", { code: "closed" }), "certificate"],
    [new UpgradeError("x", { code: "timeout" }), "upgrade"],
    [dial("full"), "slot"],
  ] as const;
  for (const [error, step] of rows) {
    health.recordFailure("a:80", error);
    assert.equal(health.check.step, step, error.code);
  }
  assert.equal(health.endpoints.errorOf("a:80"), "x");
  health.recordSuccess("b:80");
  assert.deepEqual(health.check.step, null);
  for (let count = 0; count < 3; count++) health.recordFailure("a:80", dial("full"));
  assert.deepEqual([...health.endpoints.refused], [["a:80", false]], "the full slots do not count");
  assert.equal(health.endpoints.errorOf("a:80"), undefined);
  health.recordFailure("b:80", new UpgradeError("x", { code: "closed" }));
  health.recordReached();
  assert.equal(health.report().state, "failing", "a TLS handshake says nothing about upgrades");
});

Deno.test("isRefusal() is true for codes of the ingress, and for a message without a code", () => {
  assert.ok(isRefusal(OFFLINE) && isRefusal(new UpgradeError("x", { code: "" })));
  assert.ok(!isRefusal(REFUSED) && !isRefusal(new UpgradeError("x", { code: "closed" })));
});
