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
    [dial("untrusted"), "trust"],
    [dial("handshake"), "tls"],
    [dial("identity"), "certificate"],
    [new UpgradeError("x", { code: "closed" }), "certificate"],
    [new UpgradeError("x", { code: "timeout" }), "upgrade"],
  ] as const;
  for (const [error, step] of rows) {
    health.recordFailure("a:80", error);
    assert.equal(health.check.step, step, error.code);
  }
  assert.equal(health.endpoints.errorOf("a:80"), "x");
  const { answeredAt } = health.check;
  assert.equal(answeredAt, undefined, "no upgrade was answered");
  health.recordReached();
  assert.equal(health.check.answeredAt, undefined, "a TLS handshake is no answer to an upgrade");
  health.recordSuccess("b:80");
  assert.deepEqual(health.check.step, null);
  assert.equal(health.check.answeredAt, health.check.at);
  health.recordFailure("b:80", new UpgradeError("x", { code: "closed" }));
  health.recordReached();
  assert.equal(health.report().state, "failing", "a TLS handshake says nothing about upgrades");
});

Deno.test("IngressHealth counts no connection that ngrokd refused itself (R109)", () => {
  const full = new DialError("all slots are in use", { code: "full", isLocal: true });
  const silent = new DialError("it has not answered for 5 s", { code: "timeout", isLocal: true });
  for (const [error, state] of [[full, "ok"], [silent, "failing"]] as const) {
    const health = new IngressHealth();
    health.recordSuccess("b:80");
    for (let count = 0; count < 3; count++) health.recordFailure("a:80", error);
    assert.equal(health.report().state, state, error.message);
    assert.equal(health.endpoints.errorOf("a:80"), undefined, error.message);
    // A probe says something about the ingress, although clients take all trials of the gate.
    for (let count = 0; count < 3; count++) health.recordProbeFailure("a:80", silent);
    assert.equal(health.endpoints.errorOf("b:80"), silent.message);
  }
});

Deno.test("IngressHealth calls no other endpoint failing because one hangs (R109)", () => {
  const health = new IngressHealth();
  const hangs = new UpgradeError("no answer", { code: "timeout" });
  for (let count = 0; count < 5; count++) health.recordProbeFailure("a:80", hangs);
  assert.deepEqual([health.endpoints.errorOf("a:80"), health.endpoints.errorOf("b:80")], [
    "no answer",
    undefined,
  ]);
  for (let count = 0; count < 3; count++) health.recordProbeFailure("c:80", hangs);
  assert.equal(health.endpoints.errorOf("b:80"), "no answer", "two services are not answered");
  health.recordSuccess("b:80");
  assert.equal(health.endpoints.errorOf("c:80"), "no answer");
  assert.equal(health.endpoints.errorOf("b:80"), undefined);
});

Deno.test("isRefusal() is true for codes of the ingress, and for a message without a code", () => {
  assert.ok(isRefusal(OFFLINE) && isRefusal(new UpgradeError("x", { code: "" })));
  assert.ok(!isRefusal(REFUSED) && !isRefusal(new UpgradeError("x", { code: "closed" })));
});
