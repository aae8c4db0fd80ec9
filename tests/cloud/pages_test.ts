import assert from "node:assert/strict";
import { listBoundEndpoints } from "../../src/cloud/bound_endpoints.ts";
import type { ApiClient } from "../../src/cloud/client.ts";
import { findOperators, listOperatorIds } from "../../src/cloud/list_operators.ts";
import { ApiError } from "../../src/model/errors.ts";
import { FakeApi, ForbiddenHost, foreignUrls, json, KEY } from "../fakes/fake_api.ts";

interface List {
  readonly name: string;
  readonly path: string;
  readonly maxPages: number;
  /** Reads the list and returns the ids in it. */
  readonly ids: (client: ApiClient, signal?: AbortSignal) => Promise<readonly string[]>;
  readonly page: (ids: readonly string[], next?: unknown) => unknown;
}

const OPERATORS = {
  path: "/kubernetes_operators",
  page: (ids: readonly string[], next: unknown = null) => ({
    operators: ids.map((id) => ({ id, metadata: "marker" })),
    next_page_uri: next,
  }),
};
const LISTS: readonly List[] = [
  {
    name: "listBoundEndpoints()",
    path: "/kubernetes_operators/k8sop_1/bound_endpoints",
    maxPages: 200,
    ids: async (client, signal) =>
      (await listBoundEndpoints(client, "k8sop_1", { signal })).endpoints.map(({ id }) => id),
    page: (ids, next = null) => ({
      endpoints: ids.map((id) => ({ id, url: `http://${id.replace("_", "-")}.example.com` })),
      next_page_uri: next,
    }),
  },
  {
    ...OPERATORS,
    name: "findOperators()",
    maxPages: 50,
    ids: (client, signal) => findOperators(client, "marker", { signal }),
  },
  { ...OPERATORS, name: "listOperatorIds()", maxPages: 20, ids: listOperatorIds },
];

/** The number in the `p` of a target; 1 for the first page. */
function pageOf(path: string): number {
  return Number(/[?&]p=([0-9]+)/.exec(path)?.[1] ?? 1);
}

/** The code of the failure, and the number of requests until then. */
async function failureOf(
  list: List,
  answer: (page: number, api: FakeApi) => Response,
): Promise<{ code: string; count: number }> {
  await using api = new FakeApi(({ path }, self) => answer(pageOf(path), self));
  const error = await list.ids(api.client()).then(() => assert.fail("resolved"), (e: unknown) => e);
  assert(error instanceof ApiError, String(error));
  assert(!Deno.inspect(error).includes(KEY));
  return { code: error.code, count: api.seen.length };
}

for (const list of LISTS) {
  const { name, path, page, ids, maxPages } = list;
  const page1 = (next: unknown) => json(page(["x_1"], next));

  Deno.test(`${name} follows absolute, path and query URIs, in the order of the pages`, async () => {
    for (const form of ["absolute", "path", "query"] as const) {
      await using api = new FakeApi(({ path: asked }, { url }) => {
        const n = pageOf(asked);
        const query = `?limit=100&p=${n + 1}`;
        const next = { absolute: url + path + query, path: path + query, query }[form];
        return json(page([`x_${n}a`, `x_${n}b`], n < 3 ? next : null));
      });
      assert.deepEqual(await ids(api.client()), ["x_1a", "x_1b", "x_2a", "x_2b", "x_3a", "x_3b"]);
      assert.deepEqual(api.seen.map((request) => request.path).slice(1), [
        `${path}?limit=100&p=2`,
        `${path}?limit=100&p=3`,
      ]);
    }
  });

  // An interrupted registration could never be finished: the walk went on behind the empty page.
  Deno.test(`${name} ends at an empty page, whatever next page that names`, async () => {
    await using api = new FakeApi(({ path: asked }) =>
      pageOf(asked) === 1 ? page1("?p=2") : json(page([], "?p=2"))
    );
    assert.deepEqual(await ids(api.client()), ["x_1"]);
    assert.equal(api.seen.length, 2);
  });

  Deno.test(`${name} never asks a next page on another host, scheme or port (F40)`, async () => {
    await using other = new ForbiddenHost();
    for (let index = 0; index < foreignUrls(other.url, other).length; index++) {
      const failed = await failureOf(list, (_, api) => page1(foreignUrls(api.url, other)[index]));
      assert.deepEqual(failed, { code: "foreign_page", count: 1 }, foreignUrls("http://api", other)[index]);
    }
    assert.equal(other.connections, 0);
  });

  Deno.test(`${name} fails on pages that name themselves or an earlier one, or that repeat (F40)`, async () => {
    assert.deepEqual(await failureOf(list, () => page1(`${path}?p=1`)), { code: "page_loop", count: 2 });
    const cycle = (n: number) => json(page([`x_${n}`], `${path}?p=${n === 2 ? 3 : 2}`));
    assert.deepEqual(await failureOf(list, cycle), { code: "page_loop", count: 3 });
    const repeat = (n: number) =>
      json(page(n % 2 === 0 ? ["x_1", "x_2"] : ["x_2", "x_1"], `${path}?p=${n + 1}`));
    assert.deepEqual(await failureOf(list, repeat), { code: "page_loop", count: 2 });
  });

  Deno.test(`${name} reads ${maxPages} pages and fails on one more (F40)`, async () => {
    const upTo = (last: number) => (n: number) => json(page([`x_${n}`], n === last ? null : `?p=${n + 1}`));
    assert.deepEqual(await failureOf(list, upTo(10_000)), { code: "too_many_pages", count: maxPages });
    await using api = new FakeApi((request) => upTo(maxPages)(pageOf(request.path)));
    assert.equal((await ids(api.client())).length, maxPages);
  });

  Deno.test(`${name} fails if its pages are larger than 64 MiB together (F38)`, async () => {
    const ballast = "x".repeat(4 * 1024 * 1024 - 1024);
    const large = (n: number) => json({ ...Object(page([`x_${n}`], `?p=${n + 1}`)), ballast });
    assert.deepEqual(await failureOf(list, large), { code: "too_large", count: 17 });
  });

  Deno.test(`${name} fails on an answer that is not a page, and on a failure of a later page (F38)`, async () => {
    const good = Object(page([]));
    const [field] = Object.keys(good);
    const bad = [null, [], {}, { [field!]: null }, { [field!]: {} }, { ...good, next_page_uri: 7 }];
    for (const answer of [...bad, { error: "x" }]) {
      const { code } = await failureOf(list, () => json(answer));
      assert.equal(code, "malformed", JSON.stringify(answer));
    }
    assert.equal((await failureOf(list, () => new Response(null, { status: 204 }))).code, "malformed");
    const failed = await failureOf(list, (n) => n === 1 ? page1("?p=2") : json({}, { status: 500 }));
    assert.deepEqual(failed, { code: "", count: 2 });
  });

  Deno.test(`${name} follows no redirect (F41)`, async () => {
    await using other = new ForbiddenHost();
    for (const status of [301, 302, 303, 307, 308]) {
      for (const Location of [other.url, other.url.slice("http:".length), "/elsewhere"]) {
        const answer = () => new Response(null, { status, headers: { Location } });
        assert.deepEqual(await failureOf(list, answer), { code: "redirect", count: 1 });
      }
    }
    assert.equal(other.connections, 0);
  });

  Deno.test(`${name} rejects with the reason of an abort between two pages`, async () => {
    const stop = new AbortController();
    await using api = new FakeApi(() => {
      stop.abort(new RangeError("enough"));
      return page1("?p=2");
    });
    await assert.rejects(ids(api.client(), stop.signal), RangeError);
    assert.equal(api.seen.length, 1);
  });
}
