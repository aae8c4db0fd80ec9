import assert from "node:assert/strict";
import { encodeKsuid, KSUID_PATTERN, ksuidSeconds, KsuidSource } from "../../sim/cloud/ksuid.ts";

Deno.test("a real operator id decodes to the second in which its certificate was issued", () => {
  assert.equal(ksuidSeconds("34WsHIlbz1bnFApVqmCahtNoGbB"), Date.parse("2025-10-24T21:16:12Z") / 1000);
});

Deno.test("a KSUID keeps its time and has 27 characters", () => {
  const text = encodeKsuid(1_800_000_000, new Uint8Array(16).fill(255));
  assert.match(text, KSUID_PATTERN);
  assert.equal(ksuidSeconds(text), 1_800_000_000);
});

Deno.test("the text order of ids is their order of creation, also within one second", () => {
  const ids = new KsuidSource(() => 1_800_000_000_000, 7);
  const made = Array.from({ length: 500 }, () => ids.next("ep"));
  assert.deepEqual(made.toSorted(), made);
  assert.equal(new Set(made).size, made.length);
});

Deno.test("the same seed draws the same ids", () => {
  const [one, other] = [1, 1].map((seed) => new KsuidSource(() => 1_800_000_000_000, seed).next("ep"));
  assert.equal(one, other);
});
