import assert from "node:assert/strict";
import fc from "fast-check";
import type { Budget } from "../../src/cloud/client.ts";
import { listBoundEndpoints } from "../../src/cloud/bound_endpoints.ts";
import type { ListedEndpoints } from "../../src/model/discovery.ts";
import { anyText } from "../fakes/any_text.ts";
import { FakeApi, json } from "../fakes/fake_api.ts";

const PATH = "/kubernetes_operators/k8sop_1/bound_endpoints";

async function list(
  answer: (path: string, api: FakeApi) => unknown,
): Promise<ListedEndpoints & { paths: string[] }> {
  await using api = new FakeApi((request, self) => json(answer(request.path, self)));
  const result = await listBoundEndpoints(api.client(), "k8sop_1");
  return { ...result, paths: api.seen.map(({ path }) => path) };
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

Deno.test("listBoundEndpoints() reads url, or public_url if there is none", async () => {
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

Deno.test("property: listBoundEndpoints() reads any entries; each is served, refused or a repetition", async () => {
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

Deno.test("listBoundEndpoints() serves the first of several entries with one id", async () => {
  const { endpoints, refused } = await list((path) => ({
    endpoints: path === PATH
      ? [
        { id: "ep_1", url: "http://a.b" },
        { id: "ep_1", url: "http://a.b" },
        { id: "ep_1", url: "http://c.d" },
        { id: "ep_2" },
      ]
      : [
        { id: "ep_2", url: "http://e.f" },
        { id: "ep_1", url: "http://c.d" },
        { id: "ep_1", url: "ftp://g.h" },
        { id: "ep_3", url: "http://i.j" },
      ],
    next_page_uri: path === PATH ? `${PATH}?p=2` : null,
  }));
  assert.deepEqual(endpoints.map(({ id, url }) => [id, url]), [
    ["ep_1", "http://a.b"],
    ["ep_3", "http://i.j"],
  ]);
  // The other URLs were dropped without a word.
  assert.deepEqual(refused.map(({ id, url, reason }) => [id, url, reason]), [
    ["ep_1", "http://c.d", 'its id already belongs to "http://a.b"'],
    ["ep_2", "", "it has no URL"],
    ["ep_2", "http://e.f", 'its id already belongs to ""'],
    ["ep_1", "ftp://g.h", 'the scheme "ftp" is not http, https, tls or tcp'],
  ]);
});

Deno.test("listBoundEndpoints() keeps pooled endpoints apart, each with its id", async () => {
  const { endpoints } = await list(() => ({
    endpoints: [{ id: "ep_1", url: "http://a.b" }, { id: "ep_2", url: "http://a.b" }],
  }));
  assert.deepEqual(endpoints.map(({ id }) => id), ["ep_1", "ep_2"]);
});

Deno.test("listBoundEndpoints() says that the last of several pages was empty", async () => {
  const { endpoints, pages, endsEmpty } = await list((path) => ({
    endpoints: path === PATH ? entries(0, 2) : [],
    next_page_uri: `${path}x?`,
  }));
  assert.deepEqual([endpoints.length, pages, endsEmpty], [2, 2, true]);
});

// 16 MB of empty entries blocked the event loop for 27 s and took 3.3 GB.
Deno.test("listBoundEndpoints() refuses a page of more than 1,000 entries before it parses it (R71)", async () => {
  const { endpoints } = await list(() => ({ endpoints: entries(0, 1000) }));
  assert.equal(endpoints.length, 1000);
  const nested = JSON.parse(`${"[".repeat(65)}${"]".repeat(65)}`);
  for (
    const page of [
      { endpoints: entries(0, 1001) },
      { endpoints: Array(1_000_000).fill({}) },
      // The parser needed 0.1 s for 100,000 different keys.
      { endpoints: [], other: Array(1000).fill(Array(50).fill(0)) },
      { endpoints: [], nested },
    ]
  ) {
    await assert.rejects(list(() => page), { name: "ApiError", code: "too_large" });
  }
});

Deno.test("listBoundEndpoints() names the first 100 refused entries and counts the others (R71)", async () => {
  const { refused, refusedMore } = await list(() => ({
    endpoints: Array.from({ length: 250 }, (_, n) => ({ id: `ep_${n}`, url: `ftp://h${n}.t` })),
  }));
  // The number was an entry without an id, whose URL was "150 more entries".
  assert.deepEqual([refused.length, refused[0]!.id, refusedMore], [100, "ep_0", 150]);
});

Deno.test("listBoundEndpoints() refuses a URL that is longer than any host name (R71)", async () => {
  const url = `http://${":1".repeat(1_000_000)}`;
  const { refused } = await list(() => ({ endpoints: [{ id: "ep_1", url }] }));
  assert.deepEqual(refused.map(({ reason }) => reason), ["its URL is longer than 512 characters"]);
});

Deno.test("listBoundEndpoints() returns known endpoints as the same objects unless they have changed", async () => {
  let url = "http://a.t";
  await using api = new FakeApi(() =>
    json({
      endpoints: [{ id: "ep_1", url }, { id: "ep_2", url: "http://b.t" }, { id: "ep_3", url: "ftp://c.t" }],
    })
  );
  const first = await listBoundEndpoints(api.client(), "k8sop_1");
  const known = new Map(first.endpoints.map((endpoint) => [endpoint.id, endpoint]));
  url = "http://other.t";
  const second = await listBoundEndpoints(api.client(), "k8sop_1", { known });
  assert.notEqual(second.endpoints[0], first.endpoints[0]);
  assert.equal(second.endpoints[0]!.hostname, "other.t");
  assert.equal(second.endpoints[1], first.endpoints[1]);
  assert.deepEqual(second.refused, first.refused);
});

Deno.test("listBoundEndpoints() waits for the request budget before each page", async () => {
  await using api = new FakeApi(({ path }) =>
    json({ endpoints: [{ id: path, url: "http://a.t" }], next_page_uri: `${PATH}?page=${path.length}` })
  );
  let taken = 0;
  const budget: Budget = {
    take: () => ++taken === 3 ? Promise.reject(new Error("stopped")) : Promise.resolve(),
    recordFailure: () => {},
    recordFullList: () => {},
    waitMs: () => 0,
  };
  await assert.rejects(listBoundEndpoints(api.client({ budget }), "k8sop_1"), /stopped/);
  assert.deepEqual([taken, api.seen.length], [3, 2]);
});

Deno.test("listBoundEndpoints() reads only pages again whose text has changed since the last list", async () => {
  const ids = new Map([[PATH, "ep_1"], [`${PATH}?page=2`, "ep_2"], [`${PATH}?page=3`, "ep_3"]]);
  await using api = new FakeApi(({ path }) => {
    const next = [...ids.keys()][[...ids.keys()].indexOf(path) + 1];
    return json({
      endpoints: [{ id: ids.get(path), url: `http://${ids.get(path)!.replace("_", "")}.t` }],
      ...(next === undefined ? {} : { next_page_uri: next }),
    });
  });
  const pages = new Map();
  const list = () => listBoundEndpoints(api.client(), "k8sop_1", { remembered: pages });
  const first = await list();
  assert.deepEqual([...pages.keys()], [...ids.keys()]);
  ids.set(`${PATH}?page=2`, "ep_9");
  const second = await list();
  assert.deepEqual(
    second.endpoints.map((endpoint) => first.endpoints.includes(endpoint)),
    [true, false, true],
    "an unchanged page returns the same endpoints",
  );
  assert.deepEqual(second.endpoints.map(({ id }) => id), ["ep_1", "ep_9", "ep_3"]);
  ids.delete(`${PATH}?page=3`);
  assert.deepEqual((await list()).endpoints.map(({ id }) => id), ["ep_1", "ep_9"]);
  assert.deepEqual([...pages.keys()], [...ids.keys()]);
  assert.equal((await list()).pages, 2);
});
