import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { callApi, OPERATORS, register } from "./raw_client.ts";

Deno.test("an account sees only its own operators and endpoints", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  const { id } = cloud.addEndpoint({ url: "http://api.myapp", backend: "http" });
  const other = cloud.addAccount();
  cloud.addEndpoint({ url: "http://api.myapp", backend: "http", accountId: other.id });
  for (const path of [`${OPERATORS}/${operator.id}`, `/endpoints/${id}`]) {
    const headers = { Authorization: `Bearer ${other.apiKey}` };
    assert.equal((await callApi(cloud, `GET ${path}`, { headers })).status, 404);
    assert.equal((await callApi(cloud, `GET ${path}`)).status, 200);
  }
});

Deno.test("bound endpoints are listed newest first, in pages of at most 100 with absolute links", async () => {
  await using cloud = await SimulatedCloud.start();
  const ids = Array.from(
    { length: 205 },
    (_, index) => cloud.addEndpoint({ url: `http://a${index}.myapp`, backend: "http" }).id,
  ).reverse();
  cloud.addEndpoint({ url: "http://public.example.com", backend: "http", binding: "public" });
  const operator = await register(cloud);
  const base = `${OPERATORS}/${operator.id}/bound_endpoints`;
  for (
    const [query, sizes] of [["", [100, 100, 5]], ["?limit=82", [82, 82, 41]], ["?limit=41", [
      41,
      41,
      41,
      41,
      41,
    ]]] as const
  ) {
    const seen: string[][] = [];
    for (let uri: string | null = cloud.apiUrl + base + query; uri !== null;) {
      const { body } = await callApi(cloud, `GET ${uri}`);
      assert.equal(body.uri, cloud.apiUrl + base);
      seen.push(body.endpoints.map((endpoint: { id: string }) => endpoint.id));
      uri = body.next_page_uri;
      if (uri !== null) {
        assert.ok(uri.startsWith(`${cloud.apiUrl}${base}?`));
        assert.equal(new URL(uri).searchParams.get("limit"), new URLSearchParams(query).get("limit"));
      }
    }
    assert.deepEqual(seen.map((page) => page.length), sizes);
    assert.deepEqual(seen.flat(), ids);
  }
});

Deno.test("selectors filter the bound list by OR, or AND if the switch says so; a PATCH changes them", async () => {
  await using cloud = await SimulatedCloud.start();
  for (const name of ["one.staging", "two.staging", "three.myapp"]) {
    cloud.addEndpoint({ url: `http://${name}`, backend: "http" });
  }
  const operator = await register(cloud, {
    selectors: ['endpoint.url.contains(".staging")', 'endpoint.url.contains("two")'],
  });
  const list = async () =>
    (await operator.call("GET /bound_endpoints")).body.endpoints
      .map(({ url }: { url: string }) => url);
  assert.deepEqual(await list(), ["http://two.staging", "http://one.staging"]);
  cloud.switches.selectors = "and";
  assert.deepEqual(await list(), ["http://two.staging"]);
  await operator.call("PATCH", { binding: { endpoint_selectors: ["false"] } });
  assert.deepEqual(await list(), []);
});

Deno.test("a listed endpoint omits unset fields, and has its default port only in hostport", async () => {
  await using cloud = await SimulatedCloud.start();
  const { id } = cloud.addEndpoint({ url: "tls://secure.myapp:443", backend: "tls", metadata: "m" });
  const { body } = await callApi(cloud, "GET /endpoints");
  const { created_at, updated_at, principal } = body.endpoints[0];
  assert.match(created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.deepEqual(body, {
    endpoints: [{
      id,
      created_at,
      updated_at,
      public_url: "tls://secure.myapp",
      proto: "tls",
      hostport: "secure.myapp:443",
      type: "cloud",
      metadata: "m",
      principal,
      url: "tls://secure.myapp",
      bindings: ["kubernetes"],
      uri: `${cloud.apiUrl}/endpoints/${id}`,
      pooling_enabled: false,
    }],
    uri: `${cloud.apiUrl}/endpoints`,
    next_page_uri: null,
  });
});

Deno.test("endpoints are created, read, changed, filtered and deleted over the API", async () => {
  await using cloud = await SimulatedCloud.start();
  const created = await callApi(cloud, "POST /endpoints", {
    body: { url: "https://shop.example.com:443", type: "cloud", bindings: ["public"], description: "d" },
  });
  assert.equal(created.status, 201);
  assert.deepEqual(
    [created.body.url, created.body.hostport, created.body.port],
    ["https://shop.example.com", "shop.example.com:443", 443],
  );
  const path = `/endpoints/${created.body.id}`;
  const patched = await callApi(cloud, `PATCH ${path}`, { body: { metadata: "new" } });
  assert.deepEqual([patched.status, patched.body.metadata, patched.body.description], [200, "new", "d"]);
  for (
    const [body, code] of [[{ url: "http://other.example.com" }, 249], [
      { pooling_enabled: true },
      18016,
    ]] as const
  ) {
    assert.equal((await callApi(cloud, `PATCH ${path}`, { body })).body.error_code, `ERR_NGROK_${code}`);
  }
  cloud.addEndpoint({ url: "tcp://db.myapp:5432", backend: "tcp" });
  const filtered = async (query: Record<string, string>) =>
    (await callApi(cloud, `GET /endpoints?${new URLSearchParams(query)}`)).body.endpoints
      .map(({ url }: { url: string }) => url);
  assert.deepEqual(await filtered({ filter: '"kubernetes" in obj.bindings' }), ["tcp://db.myapp:5432"]);
  assert.deepEqual(await filtered({ id: created.body.id }), ["https://shop.example.com"]);
  assert.deepEqual(await filtered({ url: "https://shop.example.com" }), ["https://shop.example.com"]);
  assert.equal((await callApi(cloud, `DELETE ${path}`)).status, 204);
  assert.equal((await callApi(cloud, `GET ${path}`)).status, 404);
  assert.equal((await callApi(cloud, `DELETE ${path}`)).status, 404);
});

const REFUSED_ENDPOINTS: [Record<string, unknown>, number][] = [
  [{}, 249],
  [{ url: "nonsense" }, 249],
  [{ url: "http://a b" }, 249],
  [{ url: "http://-a.myapp" }, 249],
  [{ url: "ftp://a.myapp" }, 9041],
  [{ url: "http://a.myapp/" }, 9038],
  [{ url: "http://a.myapp/path" }, 9037],
  [{ url: "tcp://a.myapp" }, 9035],
  [{ url: "tcp://a.myapp:0" }, 9030],
  [{ url: "tcp://a.myapp:65536" }, 9030],
  [{ url: "http://a.b.c.d.e.f" }, 9031],
  [{ url: "http://10.1.2.3", bindings: ["kubernetes"] }, 9039],
  [{ url: "https://a.myapp", bindings: ["kubernetes"] }, 9041],
  [{ url: "http://a.myapp", bindings: ["moon"] }, 15005],
  [{ url: "http://a.myapp", bindings: ["public", "kubernetes"] }, 15006],
  [{ url: "http://a.myapp", type: "edge" }, 248],
  [{ url: "http://taken.myapp", bindings: ["kubernetes"] }, 18009],
  [{ url: "http://taken.myapp", bindings: ["kubernetes"], pooling_enabled: true }, 18016],
  [{ url: "http://pool.myapp:80", bindings: ["kubernetes"] }, 18017],
];

Deno.test("endpoints that break a rule are refused with the code of that rule", async () => {
  await using cloud = await SimulatedCloud.start();
  cloud.addEndpoint({ url: "http://taken.myapp", backend: "http" });
  cloud.addEndpoint({ url: "http://pool.myapp", backend: "http", pooling: true });
  for (const [body, code] of REFUSED_ENDPOINTS) {
    const answer = await callApi(cloud, "POST /endpoints", { body });
    assert.deepEqual(
      [answer.status, answer.body.error_code],
      [400, `ERR_NGROK_${code}`],
      JSON.stringify(body),
    );
  }
  assert.throws(
    () => cloud.addEndpoint({ url: "http://taken.myapp", backend: "http", type: "ephemeral" }),
    { code: "ERR_NGROK_334" },
  );
  cloud.setAccount({ poolingAllowed: false });
  const pooled = { url: "http://pool.myapp", bindings: ["kubernetes"], pooling_enabled: true };
  assert.equal(
    (await callApi(cloud, "POST /endpoints", { body: pooled })).body.error_code,
    "ERR_NGROK_18019",
  );
  cloud.setAccount({ poolingAllowed: true });
  assert.equal((await callApi(cloud, "POST /endpoints", { body: pooled })).status, 201);
  cloud.switches.httpsKubernetes = true;
  const https = { url: "https://a.myapp", bindings: ["kubernetes"] };
  assert.equal((await callApi(cloud, "POST /endpoints", { body: https })).status, 201);
  cloud.switches.wildcardKubernetes = false;
  assert.throws(() => cloud.addEndpoint({ url: "tls://*.example.com", backend: "tls" }), {
    code: "ERR_NGROK_9039",
  });
});

Deno.test("an endpoint without a binding is internal for .internal names and else public", async () => {
  await using cloud = await SimulatedCloud.start();
  for (const [url, binding] of [["http://db.internal", "internal"], ["http://db.example.com", "public"]]) {
    assert.deepEqual((await callApi(cloud, "POST /endpoints", { body: { url } })).body.bindings, [
      binding,
    ]);
  }
});
