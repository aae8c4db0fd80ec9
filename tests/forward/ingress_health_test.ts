import assert from "node:assert/strict";
import { IngressHealth, isRefusal } from "../../src/forward/ingress_health.ts";
import { DialError, UpgradeError } from "../../src/model/errors.ts";

const REFUSED = new DialError("Cannot connect to x:443: connection refused", {
  code: "refused",
  hint: "Look there",
});
const OFFLINE = new UpgradeError("Cannot reach a:80: ERR_NGROK_3200: offline", { code: "ERR_NGROK_3200" });

Deno.test("IngressHealth tells an ingress that fails from an endpoint that is refused", () => {
  const health = new IngressHealth();
  assert.deepEqual(health.report(), { state: "unknown", error: null, hint: null });
  health.failed(REFUSED);
  assert.deepEqual(health.report(), { state: "failing", error: REFUSED.message, hint: "Look there" });
  health.failed(OFFLINE);
  assert.deepEqual(health.report(), { state: "ok", error: null, hint: null });
  for (const code of ["timeout", "closed", "malformed"]) {
    health.failed(new UpgradeError("x", { code }));
    assert.deepEqual(health.report(), { state: "failing", error: "x", hint: null }, code);
    health.answered();
    assert.equal(health.report().state, "ok");
  }
});

Deno.test("isRefusal() is true for the cloud's own codes, and for a message without code", () => {
  assert.ok(isRefusal(OFFLINE) && isRefusal(new UpgradeError("x", { code: "" })));
  assert.ok(!isRefusal(REFUSED) && !isRefusal(new UpgradeError("x", { code: "closed" })));
});
