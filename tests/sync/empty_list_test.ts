import assert from "node:assert/strict";
import type { Discovery } from "../../src/model/discovery.ts";
import { EmptyListDoubt } from "../../src/sync/empty_list.ts";
import { endpoints } from "../fakes/endpoints.ts";

const EMPTY: Discovery = { endpoints: [], refused: [], revision: 1, pages: 1 };
const FULL: Discovery = { ...EMPTY, endpoints: endpoints("http://a.t") };
const REFUSED: Discovery = { ...EMPTY, refused: [{ id: "ep_1", url: "x", reason: "it is not a URL" }] };

Deno.test("EmptyListDoubt never believes an empty list that alternates with a full one (F39)", () => {
  const doubt = new EmptyListDoubt();
  for (let poll = 0; poll < 100; poll++) {
    assert.equal(doubt.doubts(EMPTY, 1), true);
    assert.equal(doubt.doubts(FULL, 1), false);
  }
});

Deno.test("EmptyListDoubt believes the second empty list in a row, and not one after a failed poll (F39)", () => {
  const doubt = new EmptyListDoubt();
  assert.equal(doubt.doubts(EMPTY, 3), true);
  doubt.forget();
  assert.equal(doubt.doubts(EMPTY, 3), true);
  assert.equal(doubt.doubts(EMPTY, 3), false);
});

Deno.test("EmptyListDoubt believes at once where nothing is known, or the list has entries that are refused", () => {
  const doubt = new EmptyListDoubt();
  assert.equal(doubt.doubts(EMPTY, 0), false);
  assert.equal(doubt.doubts(REFUSED, 3), false);
});

Deno.test("EmptyListDoubt believes a shorter list that ends with an empty page the second time, and a whole one at once (F39)", () => {
  const doubt = new EmptyListDoubt();
  const cutShort: Discovery = { ...FULL, pages: 2, endsEmpty: true };
  assert.equal(doubt.doubts(cutShort, 3), true);
  assert.equal(doubt.doubts(cutShort, 3), false);
  assert.equal(doubt.doubts(cutShort, 1), false, "nothing is missing");
  assert.equal(doubt.doubts(FULL, 3), false);
});

Deno.test("EmptyListDoubt believes a second list only if it is the same (a short one and then an empty one took everything away) (F39)", () => {
  const doubt = new EmptyListDoubt();
  const cutShort: Discovery = { ...FULL, pages: 2, endsEmpty: true };
  assert.equal(doubt.doubts(cutShort, 3), true);
  assert.equal(doubt.doubts(EMPTY, 3), true);
  assert.equal(doubt.doubts({ ...cutShort, endpoints: endpoints("http://b.t") }, 3), true);
  assert.equal(doubt.doubts(EMPTY, 3), true);
  assert.equal(doubt.doubts(EMPTY, 3), false);
});
