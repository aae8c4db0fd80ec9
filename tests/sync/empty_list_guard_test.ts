import assert from "node:assert/strict";
import type { Discovery } from "../../src/model/discovery.ts";
import { EmptyListGuard } from "../../src/sync/empty_list_guard.ts";
import { endpoints } from "../fakes/endpoints.ts";

const EMPTY: Discovery = { endpoints: [], refused: [], revision: 1, pages: 1 };
const FULL: Discovery = { ...EMPTY, endpoints: endpoints("http://a.t") };
/** Three known endpoints. */
const THREE: Discovery = { ...EMPTY, endpoints: endpoints("http://a.t", "http://b.t", "http://c.t") };
const REFUSED: Discovery = { ...EMPTY, refused: [{ id: "ep_1", url: "x", reason: "it is not a URL" }] };

Deno.test("EmptyListGuard never accepts an empty list that alternates with a full one (F39)", () => {
  const guard = new EmptyListGuard();
  for (let poll = 0; poll < 100; poll++) {
    assert.equal(guard.shouldKeep(EMPTY, FULL), true);
    assert.equal(guard.shouldKeep(FULL, FULL), false);
  }
});

Deno.test("EmptyListGuard accepts the second empty list in a row, and none after a failed poll (F39)", () => {
  const guard = new EmptyListGuard();
  assert.equal(guard.shouldKeep(EMPTY, THREE), true);
  guard.reset();
  assert.equal(guard.shouldKeep(EMPTY, THREE), true);
  assert.equal(guard.shouldKeep(EMPTY, THREE), false);
});

// `[{}]` as the whole list removed every endpoint at once.
Deno.test("EmptyListGuard treats a list without a usable entry like an empty one (F39)", () => {
  for (const refused of [REFUSED.refused, [{ id: "", url: "", reason: "it has no id" }]]) {
    const guard = new EmptyListGuard();
    const unusable: Discovery = { ...EMPTY, refused };
    assert.equal(guard.shouldKeep(unusable, THREE), true);
    assert.equal(guard.shouldKeep(EMPTY, THREE), true, "another list confirms nothing");
    assert.equal(guard.shouldKeep(unusable, THREE), true);
    assert.equal(guard.shouldKeep(unusable, THREE), false);
  }
});

Deno.test("EmptyListGuard accepts every list at once if no endpoint is known", () => {
  const guard = new EmptyListGuard();
  assert.equal(guard.shouldKeep(EMPTY, EMPTY), false);
  assert.equal(guard.shouldKeep(REFUSED, EMPTY), false);
});

Deno.test("EmptyListGuard accepts a shorter list that ends with an empty page the second time (F39)", () => {
  const guard = new EmptyListGuard();
  const cutShort: Discovery = { ...FULL, pages: 2, endsEmpty: true };
  assert.equal(guard.shouldKeep(cutShort, THREE), true);
  assert.equal(guard.shouldKeep(cutShort, THREE), false);
  assert.equal(guard.shouldKeep(cutShort, FULL), false, "nothing is missing");
  assert.equal(guard.shouldKeep(FULL, THREE), false);
});

// A short list and then an empty one once removed everything.
Deno.test("EmptyListGuard accepts a second list only if it is the same (F39)", () => {
  const guard = new EmptyListGuard();
  const cutShort: Discovery = { ...FULL, pages: 2, endsEmpty: true };
  assert.equal(guard.shouldKeep(cutShort, THREE), true);
  assert.equal(guard.shouldKeep(EMPTY, THREE), true);
  assert.equal(guard.shouldKeep({ ...cutShort, endpoints: endpoints("http://b.t") }, THREE), true);
  assert.equal(guard.shouldKeep(EMPTY, THREE), true);
  assert.equal(guard.shouldKeep(EMPTY, THREE), false);
});

// An id that was listed twice made up for an endpoint that was missing.
Deno.test("EmptyListGuard counts each id once, among the known and the refused ones too (F39)", () => {
  const [first, second] = THREE.endpoints;
  const twice = { id: first!.id, url: "http://x.t", reason: `its id already belongs to "http://a.t"` };
  const other = { id: "ep_other", url: "x", reason: "it is not a URL" };
  for (
    const [known, listed] of [
      [{ endpoints: [first!, second!], refused: [] }, { endpoints: [first!], refused: [twice] }],
      [{ endpoints: [first!, second!], refused: [other] }, { endpoints: [first!], refused: [other] }],
    ]
  ) {
    const guard = new EmptyListGuard();
    const cutShort: Discovery = { ...EMPTY, ...listed, pages: 2, endsEmpty: true };
    assert.equal(guard.shouldKeep(cutShort, known!), true);
    assert.equal(guard.shouldKeep(cutShort, known!), false);
  }
  assert.equal(new EmptyListGuard().shouldKeep(EMPTY, { endpoints: [], refused: [other] }), false);
  const doubled = { endpoints: [first!], refused: [twice] };
  assert.equal(
    new EmptyListGuard().shouldKeep({ ...FULL, endsEmpty: true }, doubled),
    false,
    "none is missing",
  );
});
