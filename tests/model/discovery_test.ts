import assert from "node:assert/strict";
import { isSameList, type ListedEndpoints } from "../../src/model/discovery.ts";
import { endpoints } from "../fakes/endpoints.ts";

const LIST: ListedEndpoints = {
  endpoints: endpoints("http://a.t", "http://b.t"),
  refused: [{ id: "ep_x", url: "ftp://x", reason: "the scheme is not known" }],
  pages: 1,
};
const EMPTY: ListedEndpoints = { endpoints: [], refused: [], pages: 1 };

Deno.test("isSameList() compares by value", () => {
  assert.equal(isSameList(LIST, structuredClone(LIST)), true);
  assert.equal(isSameList(EMPTY, { ...EMPTY, pages: 2 }), true);
});

const [a, b] = [LIST.endpoints[0]!, LIST.endpoints[1]!];
const [refused] = LIST.refused;
const CHANGES: Record<string, Partial<ListedEndpoints>> = {
  "another id": { endpoints: [a, { ...b, id: "ep_9" }] },
  "another URL": { endpoints: [a, { ...b, url: "http://c.t" }] },
  "another order": { endpoints: [b, a] },
  "one endpoint less": { endpoints: [a] },
  "another reason": { refused: [{ ...refused!, reason: "it has no host" }] },
  "no refusal": { refused: [] },
  "another number of refusals": { refusedMore: 1 },
};

for (const [name, change] of Object.entries(CHANGES)) {
  Deno.test(`isSameList() is false for ${name}`, () => {
    assert.equal(isSameList(LIST, { ...LIST, ...change }), false);
    assert.equal(isSameList({ ...LIST, ...change }, LIST), false);
  });
}
