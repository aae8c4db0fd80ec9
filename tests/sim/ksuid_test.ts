import assert from "node:assert/strict";
import { encodeKsuid, KSUID_PATTERN, ksuidSeconds, KsuidSource } from "../../sim/cloud/ksuid.ts";

Deno.test("a real operator id decodes to the second of its certificate", () => {
  assert.equal(ksuidSeconds("34WsHIlbz1bnFApVqmCahtNoGbB"), Date.parse("2025-10-24T21:16:12Z") / 1000);
});

Deno.test("encodeKsuid() keeps the time, in 27 characters", () => {
  const text = encodeKsuid(1_800_000_000, new Uint8Array(16).fill(255));
  assert.match(text, KSUID_PATTERN);
  assert.equal(ksuidSeconds(text), 1_800_000_000);
});

Deno.test("ids sort in their order of creation, also within one second", () => {
  const ids = new KsuidSource(() => 1_800_000_000_000, 7);
  const made = Array.from({ length: 500 }, () => ids.next("ep"));
  assert.deepEqual(made.toSorted(), made);
  assert.equal(new Set(made).size, made.length);
});

Deno.test("equal seeds yield equal ids", () => {
  const [one, other] = [1, 1].map((seed) => new KsuidSource(() => 1_800_000_000_000, seed).next("ep"));
  assert.equal(one, other);
});
