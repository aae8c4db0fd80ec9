import assert from "node:assert/strict";
import fc from "fast-check";
import { type BoundEndpoints, listBoundEndpoints } from "../../src/cloud/bound_endpoints.ts";
import { ApiError } from "../../src/model/errors.ts";
import { anyText } from "../fakes/any_text.ts";
import { FakeApi, ForbiddenHost, foreignUrls, json } from "./fake_api.ts";

const PATH = "/kubernetes_operators/k8sop_1/bound_endpoints";

async function list(
  answer: (path: string, api: FakeApi) => unknown,
): Promise<BoundEndpoints & { paths: string[] }> {
  await using api = new FakeApi((request, self) => json(answer(request.path, self)));
  const result = await listBoundEndpoints(api.client(), "k8sop_1");
  return { ...result, paths: api.seen.map(({ path }) => path) };
}

/** The code of the failure, and what was asked until then. */
async function failure(
  answer: (path: string, api: FakeApi) => unknown,
): Promise<{ code: string; paths: string[] }> {
  await using api = new FakeApi((request, self) => json(answer(request.path, self)));
  const error = await listBoundEndpoints(api.client(), "k8sop_1").then(
    () => assert.fail("resolved"),
    (e: unknown) => e,
  );
  assert(error instanceof ApiError);
  return { code: error.code, paths: api.seen.map(({ path }) => path) };
}

function entries(from: number, count: number): { id: string; url: string }[] {
  return Array.from(
    { length: count },
    (_, i) => ({ id: `ep_${from + i}`, url: `http://e${from + i}.example.com` }),
  );
}

Deno.test("listBoundEndpoints() reads an empty list", async () => {
  for (const next of [null, "", undefined, `${PATH}?before_id=x`]) {
    const { endpoints, refused, pages, paths } = await list(() => ({
      endpoints: [],
      uri: "u",
      next_page_uri: next,
    }));
    assert.deepEqual([endpoints, refused, pages, paths], [[], [], 1, [PATH]]);
  }
});

Deno.test("listBoundEndpoints() reads every URL form of the cloud", async () => {
  const urls = [
    ["http://api.myapp", "http", "api.myapp", 80, false],
    ["https://api.myapp", "https", "api.myapp", 443, false],
    ["tls://db.example.com", "tls", "db.example.com", 443, false],
    ["tcp://camera.example.com:22", "tcp", "camera.example.com", 22, false],
    ["HTTP://API.Example.COM.:8080/", "http", "api.example.com", 8080, false],
    ["tls://*.example.com:443", "tls", "*.example.com", 443, true],
  ] as const;
  const { endpoints, refused } = await list(() => ({
    endpoints: urls.map(([url], index) => ({ id: `ep_${index}`, url, extra: { a: [1] }, proto: 7 })),
    next_page_uri: null,
  }));
  assert.deepEqual(refused, []);
  assert.deepEqual(
    endpoints,
    urls.map(([url, scheme, hostname, port, wildcard], index) => ({
      id: `ep_${index}`,
      url,
      scheme,
      hostname,
      port,
      wildcard,
    })),
  );
});

Deno.test("listBoundEndpoints() takes url, else public_url", async () => {
  const { endpoints } = await list(() => ({
    endpoints: [
      { id: "ep_1", url: "http://a.b", public_url: "http://old.b" },
      { id: "ep_2", url: "", public_url: "http://c.d" },
      { id: "ep_3", url: null, public_url: "http://e.f" },
      { id: "ep_4", public_url: "http://g.h" },
    ],
  }));
  assert.deepEqual(endpoints.map(({ url }) => url), ["http://a.b", "http://c.d", "http://e.f", "http://g.h"]);
});

Deno.test("listBoundEndpoints() refuses bad entries with a reason and keeps the good ones", async () => {
  const good = { id: "ep_good", url: "http://good.example.com" };
  const { endpoints, refused } = await list(() => ({
    endpoints: [
      null,
      "x",
      [good],
      { url: "http://a.b" },
      { id: 5, url: "http://a.b" },
      { id: "with space", url: "http://a.b" },
      { id: "a".repeat(129), url: "http://a.b" },
      { id: "ep_\u0007", url: "http://a.b" },
      { id: "ep_1" },
      { id: "ep_2", url: 7 },
      { id: "ep_3", url: "ftp://a.b" },
      { id: "ep_4", url: "tcp://a.b" },
      good,
    ],
  }));
  assert.deepEqual(endpoints.map(({ id }) => id), ["ep_good"]);
  assert.equal(refused.length, 12);
  assert.deepEqual(refused.map(({ reason }) => reason), [
    "it has no id",
    "it has no id",
    "it has no id",
    "it has no id",
    "it has no id",
    "its id is not printable, or too long",
    "its id is not printable, or too long",
    "its id is not printable, or too long",
    "it has no URL",
    "it has no URL",
    'the scheme "ftp" is not http, https, tls or tcp',
    "a tcp URL must name a port",
  ]);
  assert.equal(refused[7]!.id, "ep_\\u0007");
});

const HOSTILE = [
  "http://../../etc/passwd",
  "http://a.b\n127.0.0.1 bank.example.com",
  "http://a.b 10.0.0.1",
  "http://a.b\t#",
  "http://a.b\r\nHost: x",
  "http://a.b\u0000",
  "http://a.b\u2028c",
  "http://user:pass@a.b",
  "http://a.b/path",
  "http://a.b?x",
  "http://a.b#x",
  "http://a.b:0",
  "http://a.b:65536",
  "http://a.b:80:80",
  "http://a.b:-1",
  "http://a.b:",
  "http://",
  "http://.",
  "http://..",
  "http://.a",
  "http://a..b",
  "http://-a.b",
  "http://a-.b",
  `http://${"a".repeat(64)}.b`,
  `http://${"a.".repeat(127)}bc`,
  "http://*",
  "http://*.*.example.com",
  "http://a.*.example.com",
  "http://*.10.0.0.1",
  "http://127.0.0.1",
  "http://[::1]:80",
  "http://0x7f.1",
  "http://2130706433",
  "http://ex\u0430mple.com",
  "http://$(reboot).b",
  "http://a;b.c",
  "http://a'b.c",
  "javascript:alert(1)",
  "file:///etc/passwd",
  "tcp://a.b",
  "",
  "x".repeat(100_000),
];

Deno.test("listBoundEndpoints() refuses every hostile URL, on one printable line (F46)", async () => {
  const { endpoints, refused } = await list(() => ({
    endpoints: HOSTILE.map((url, i) => ({ id: `ep_${i}`, url })),
  }));
  assert.deepEqual(endpoints, []);
  assert.equal(refused.length, HOSTILE.length);
  for (const { url, reason } of refused) {
    assert(/^[^\p{Cc}\u2028\u2029]*$/u.test(url + reason), reason);
    assert(url.length <= 100 && reason.length > 0 && reason.length <= 200);
  }
});

Deno.test("property: whatever the entries, the list is read, and each entry is served, refused or a repetition", async () => {
  let answer: unknown[] = [];
  await using api = new FakeApi(() => json({ endpoints: answer }));
  const part = fc.oneof(anyText(), fc.constantFrom(...HOSTILE), fc.jsonValue());
  const entry = fc.oneof(
    fc.record({ id: part, url: part, public_url: part }, { requiredKeys: [] }),
    fc.jsonValue(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 20 }), async (drawn) => {
      answer = drawn;
      const { endpoints, refused } = await listBoundEndpoints(api.client(), "k8sop_1");
      assert(endpoints.length + refused.length <= drawn.length && endpoints.length + refused.length > 0);
      for (const { hostname, id } of endpoints) {
        assert(/^(?:\*\.)?[a-z0-9_.-]+$/.test(hostname) && !hostname.includes(".."), hostname);
        assert(/^[\x21-\x7e]+$/.test(id), id);
      }
    }),
    { seed: 3, numRuns: 50 },
  );
});

Deno.test("of entries with one id the first counts", async () => {
  const { endpoints, refused } = await list((path) => ({
    endpoints: path === PATH
      ? [{ id: "ep_1", url: "http://a.b" }, { id: "ep_1", url: "http://c.d" }, { id: "ep_2" }]
      : [{ id: "ep_2", url: "http://e.f" }, { id: "ep_1", url: "http://g.h" }, {
        id: "ep_3",
        url: "http://i.j",
      }],
    next_page_uri: path === PATH ? `${PATH}?p=2` : null,
  }));
  assert.deepEqual(endpoints.map(({ id, url }) => [id, url]), [["ep_1", "http://a.b"], [
    "ep_3",
    "http://i.j",
  ]]);
  assert.deepEqual(refused.map(({ id }) => id), ["ep_2"]);
});

Deno.test("pooled endpoints stay apart, each with its id", async () => {
  const { endpoints } = await list(() => ({
    endpoints: [{ id: "ep_1", url: "http://a.b" }, { id: "ep_2", url: "http://a.b" }],
  }));
  assert.deepEqual(endpoints.map(({ id }) => id), ["ep_1", "ep_2"]);
});

for (const form of ["absolute", "path", "query"] as const) {
  Deno.test(`pages are followed by their ${form} URI, and their order is kept`, async () => {
    const { endpoints, pages, paths } = await list((path, api) => {
      const before = Number(new URLSearchParams(path.split("?")[1]).get("before_id") ?? 0);
      const next = `?limit=100&before_id=${before + 100}`;
      const uri = { absolute: api.url + PATH + next, path: PATH + next, query: next }[form];
      return {
        endpoints: entries(before, before === 200 ? 50 : 100),
        next_page_uri: before === 200 ? null : uri,
      };
    });
    assert.deepEqual(endpoints.map(({ id }) => id), entries(0, 250).map(({ id }) => id));
    assert.equal(pages, 3);
    assert.deepEqual(paths, [PATH, `${PATH}?limit=100&before_id=100`, `${PATH}?limit=100&before_id=200`]);
  });
}

Deno.test("an empty page ends the list even if it names another", async () => {
  const { endpoints, pages, endsEmpty } = await list((path) => ({
    endpoints: path === PATH ? entries(0, 2) : [],
    next_page_uri: `${path}x?`,
  }));
  assert.deepEqual([endpoints.length, pages, endsEmpty], [2, 2, true]);
});

Deno.test("a next page on another host, scheme or port rejects the list, and is never asked (F40)", async () => {
  await using other = new ForbiddenHost();
  for (let index = 0; index < foreignUrls(other.url, other).length; index++) {
    const { code, paths } = await failure((_, api) => ({
      endpoints: entries(0, 1),
      next_page_uri: foreignUrls(api.url, other)[index],
    }));
    assert.deepEqual([code, paths], ["foreign_page", [PATH]], foreignUrls("http://api", other)[index]);
  }
  assert.equal(other.connections, 0);
});

Deno.test("a page that names itself rejects the list after one request (F40)", async () => {
  assert.deepEqual(await failure(() => ({ endpoints: entries(0, 1), next_page_uri: PATH })), {
    code: "page_loop",
    paths: [PATH],
  });
});

Deno.test("a cycle of pages rejects the list (F40)", async () => {
  const { code, paths } = await failure((path) => ({
    endpoints: path === PATH ? entries(0, 2) : entries(2, 2),
    next_page_uri: path === PATH ? `${PATH}?p=2` : PATH,
  }));
  assert.deepEqual([code, paths.length], ["page_loop", 2]);
});

Deno.test("a page with the ids of an earlier one rejects the list, whatever its URI and order (F40)", async () => {
  let n = 0;
  const { code, paths } = await failure(() => ({
    endpoints: n++ % 2 === 0 ? entries(0, 3) : entries(0, 3).reverse(),
    next_page_uri: `${PATH}?p=${n}`,
  }));
  assert.deepEqual([code, paths.length], ["page_loop", 2]);
});

Deno.test("more than 200 pages reject the list; 200 do not (F40)", async () => {
  const page = (path: string, last: number) => {
    const n = Number(path.split("=")[1] ?? 1);
    return { endpoints: entries(n, 1), next_page_uri: n === last ? null : `${PATH}?p=${n + 1}` };
  };
  const { code, paths } = await failure((path) => page(path, 10_000));
  assert.deepEqual([code, paths.length], ["page_loop", 200]);
  const { endpoints, pages } = await list((path) => page(path, 200));
  assert.deepEqual([endpoints.length, pages], [200, 200]);
});

Deno.test("pages that are too large together reject the list (200 of 16 MiB were kept in memory) (F38)", async () => {
  const ballast = "x".repeat(15 * 1024 * 1024);
  const { code, paths } = await failure((path) => {
    const n = Number(path.split("=")[1] ?? 1);
    return { endpoints: entries(n, 1), ballast, next_page_uri: `${PATH}?p=${n + 1}` };
  });
  assert.deepEqual([code, paths.length], ["too_large", 5]);
});

Deno.test("an answer that is not a page rejects the list (F38)", async () => {
  const bad = [null, [], {}, { endpoints: null }, { endpoints: {} }, { endpoints: [], next_page_uri: 7 }, {
    error: "x",
  }];
  for (const answer of bad) {
    assert.equal((await failure(() => answer)).code, "malformed", JSON.stringify(answer));
  }
});

Deno.test("a failure on a later page rejects the list (F38)", async () => {
  await using api = new FakeApi(({ path }) =>
    path === PATH
      ? json({ endpoints: entries(0, 1), next_page_uri: `${PATH}?p=2` })
      : json({}, { status: 500 })
  );
  await assert.rejects(listBoundEndpoints(api.client(), "k8sop_1"), { name: "ApiError", status: 500 });
});

Deno.test("an abort between pages ends the list with its reason", async () => {
  const stop = new AbortController();
  await using api = new FakeApi(() => {
    stop.abort(new RangeError("enough"));
    return json({ endpoints: entries(0, 1), next_page_uri: `${PATH}?p=2` });
  });
  await assert.rejects(listBoundEndpoints(api.client(), "k8sop_1", { signal: stop.signal }), RangeError);
  assert.equal(api.seen.length, 1);
});

Deno.test("a page of 150,000 entries is read", async () => {
  const { endpoints } = await list(() => ({ endpoints: entries(0, 150_000) }));
  assert.equal(endpoints.length, 150_000);
});
