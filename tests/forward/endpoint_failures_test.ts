import assert from "node:assert/strict";
import { EndpointFailures } from "../../src/forward/endpoint_failures.ts";
import { DialError, UpgradeError } from "../../src/model/errors.ts";

const REFUSED = new UpgradeError("offline", { code: "ERR_NGROK_3200", hint: "See it" });
const UNREACHED = new DialError("connection refused", { code: "refused" });

Deno.test("EndpointFailures calls an endpoint failing after three failures, until a success (R109)", () => {
  const failures = new EndpointFailures();
  for (const [count, error] of [[1], [2], [3, "offline (See it)"], [4, "offline (See it)"]] as const) {
    failures.recordFailure("a:80", REFUSED);
    assert.equal(failures.errorOf("a:80"), error, `${count}`);
    assert.deepEqual([...failures.refused], [["a:80", error !== undefined]]);
  }
  failures.recordReached();
  assert.equal(failures.errorOf("a:80"), "offline (See it)", "the ingress answered for another endpoint");
  assert.equal(failures.errorOf("b:80"), undefined);
  failures.recordSuccess("a:80");
  assert.equal(failures.errorOf("a:80"), undefined);
});

Deno.test("EndpointFailures ends failures to reach the ingress with any answer of it (R109)", () => {
  const failures = new EndpointFailures();
  failures.recordFailure("a:80", REFUSED);
  failures.recordFailure("a:80", UNREACHED);
  failures.recordFailure("a:80", UNREACHED);
  assert.equal(failures.errorOf("a:80"), "connection refused", "the last error");
  failures.recordSuccess("b:80");
  assert.deepEqual([failures.errorOf("a:80"), ...failures.refused], [undefined, ["a:80", false]]);
});

Deno.test("EndpointFailures calls all endpoints failing after three probes without the ingress (R109)", () => {
  const failures = new EndpointFailures();
  for (let count = 0; count < 3; count++) {
    assert.equal(failures.errorOf("a:80"), undefined);
    failures.recordUnreached(UNREACHED);
  }
  assert.deepEqual([failures.errorOf("a:80"), failures.errorOf("b:80")], Array(2).fill("connection refused"));
  failures.recordReached();
  assert.equal(failures.errorOf("a:80"), undefined);
});

Deno.test("EndpointFailures forgets services that are gone", () => {
  const failures = new EndpointFailures();
  for (let count = 0; count < 3; count++) {
    failures.recordFailure("a:80", REFUSED);
    failures.recordFailure("b:80", UNREACHED);
  }
  failures.retain(new Set());
  assert.deepEqual([failures.errorOf("a:80"), failures.errorOf("b:80")], [undefined, undefined]);
});
