import assert from "node:assert/strict";
import type { ApiClient } from "../../src/cloud/client.ts";
import { findOperators } from "../../src/cloud/find_operators.ts";
import { listOperatorIds } from "../../src/cloud/list_operators.ts";
import { ApiError } from "../../src/model/errors.ts";
import { FakeApi, ForbiddenHost, foreignUrls, json, KEY } from "./fake_api.ts";

const LISTS: Readonly<Record<string, (client: ApiClient) => Promise<unknown>>> = {
  "findOperators()": (client) => findOperators(client, "the mark"),
  "listOperatorIds()": (client) => listOperatorIds(client),
};
const MOST_PAGES = 50;

/** The code of the failure, and how many requests were made. */
async function failure(
  list: (client: ApiClient) => Promise<unknown>,
  answer: (count: number, api: FakeApi) => Response,
): Promise<{ code: string; count: number }> {
  await using api = new FakeApi((_, self) => answer(self.seen.length, self));
  const error = await list(api.client()).then(() => assert.fail("resolved"), (e: unknown) => e);
  assert.ok(error instanceof ApiError, String(error));
  assert.ok(!Deno.inspect(error).includes(KEY));
  return { code: error.code, count: api.seen.length };
}

function page(next: unknown, id = "k8sop_1"): Response {
  return json({ operators: [{ id, metadata: "{}" }], next_page_uri: next });
}

Deno.test("the list of operators ends at an empty page, whatever that names (a cut-off registration could never be finished)", async () => {
  await using api = new FakeApi((_, { seen }) =>
    seen.length === 1 ? page("?page=2") : json({ operators: [], next_page_uri: "?page=2" })
  );
  assert.deepEqual(await listOperatorIds(api.client()), ["k8sop_1"]);
  assert.equal(api.seen.length, 2);
});

for (const [name, list] of Object.entries(LISTS)) {
  Deno.test(`${name} asks its API only, wherever the next page is said to be (F40)`, async () => {
    await using other = new ForbiddenHost();
    // The port of the API is part of some of them, and stays the same only within one.
    for (let index = 0; index < foreignUrls(other.url, other).length; index++) {
      const { code, count } = await failure(list, (_, api) => page(foreignUrls(api.url, other)[index]));
      assert.deepEqual([code, count], ["foreign_page", 1], foreignUrls("http://api", other)[index]);
    }
    assert.equal(other.connections, 0);
  });

  Deno.test(`${name} ends at a page that names itself or an earlier one, and at 10,000 pages (F40)`, async () => {
    const first = "/kubernetes_operators?p=1";
    assert.deepEqual(await failure(list, () => page(first)), { code: "page_loop", count: 2 });
    const cycle = (count: number) => page(count % 2 === 1 ? first : "/kubernetes_operators?p=2");
    assert.deepEqual(await failure(list, cycle), { code: "page_loop", count: 3 });
    const endless = await failure(list, (count) => page(`?before_id=${count}`, `k8sop_${count}`));
    assert.equal(endless.code, "page_loop");
    assert.ok(endless.count > 1 && endless.count <= MOST_PAGES, `${endless.count}`);
  });

  Deno.test(`${name} follows no redirect (F41)`, async () => {
    await using other = new ForbiddenHost();
    for (const status of [301, 302, 303, 307, 308]) {
      for (const Location of [other.url, other.url.slice("http:".length), "/elsewhere"]) {
        const answer = () => new Response(null, { status, headers: { Location } });
        assert.deepEqual(await failure(list, answer), { code: "redirect", count: 1 });
      }
    }
    assert.equal(other.connections, 0);
  });
}
