import assert from "node:assert/strict";
import type { Discovery } from "../../src/model/discovery.ts";
import { EmptyListGuard } from "../../src/sync/empty_list_guard.ts";
import { endpoints } from "../fakes/endpoints.ts";

const EMPTY: Discovery = { endpoints: [], refused: [], revision: 1, pages: 1 };
const FULL: Discovery = { ...EMPTY, endpoints: endpoints("http://a.t") };
const REFUSED: Discovery = { ...EMPTY, refused: [{ id: "ep_1", url: "x", reason: "it is not a URL" }] };

Deno.test("EmptyListGuard never accepts an empty list that alternates with a full one (F39)", () => {
  const guard = new EmptyListGuard();
  for (let poll = 0; poll < 100; poll++) {
    assert.equal(guard.shouldKeep(EMPTY, 1), true);
    assert.equal(guard.shouldKeep(FULL, 1), false);
  }
});

Deno.test("EmptyListGuard accepts the second empty list in a row, and none after a failed poll (F39)", () => {
  const guard = new EmptyListGuard();
  assert.equal(guard.shouldKeep(EMPTY, 3), true);
  guard.reset();
  assert.equal(guard.shouldKeep(EMPTY, 3), true);
  assert.equal(guard.shouldKeep(EMPTY, 3), false);
});

Deno.test("EmptyListGuard accepts a list at once if nothing is known or it has refused entries", () => {
  const guard = new EmptyListGuard();
  assert.equal(guard.shouldKeep(EMPTY, 0), false);
  assert.equal(guard.shouldKeep(REFUSED, 3), false);
});

Deno.test("EmptyListGuard accepts a shorter list that ends with an empty page the second time (F39)", () => {
  const guard = new EmptyListGuard();
  const cutShort: Discovery = { ...FULL, pages: 2, endsEmpty: true };
  assert.equal(guard.shouldKeep(cutShort, 3), true);
  assert.equal(guard.shouldKeep(cutShort, 3), false);
  assert.equal(guard.shouldKeep(cutShort, 1), false, "nothing is missing");
  assert.equal(guard.shouldKeep(FULL, 3), false);
});

// A short list and then an empty one once removed everything.
Deno.test("EmptyListGuard accepts a second list only if it is the same (F39)", () => {
  const guard = new EmptyListGuard();
  const cutShort: Discovery = { ...FULL, pages: 2, endsEmpty: true };
  assert.equal(guard.shouldKeep(cutShort, 3), true);
  assert.equal(guard.shouldKeep(EMPTY, 3), true);
  assert.equal(guard.shouldKeep({ ...cutShort, endpoints: endpoints("http://b.t") }, 3), true);
  assert.equal(guard.shouldKeep(EMPTY, 3), true);
  assert.equal(guard.shouldKeep(EMPTY, 3), false);
});
