import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { SimulatedCloud } from "./cloud.ts";
import { ksuidSeconds } from "./ksuid.ts";
import { callApi, makeCsr, register } from "./raw_client.ts";

const OPERATORS = "/kubernetes_operators";
const SHAPED_KEY = `${"2".repeat(27)}_abcdefghijklmnopqrstu`;
const DAY_MS = 86_400_000;

Deno.test("authorization failures are told apart, in bodies of the documented shape", async () => {
  await using cloud = await SimulatedCloud.start();
  const authtoken = `${"3".repeat(27)}_abcdefghijklmnopqrstu`;
  cloud.setAccount({ authtokens: new Set([authtoken]) });
  const cases: [string | null, string][] = [
    [null, "ERR_NGROK_200"],
    ["Bearer ", "ERR_NGROK_201"],
    ["Digest abc", "ERR_NGROK_201"],
    ["Basic !!!", "ERR_NGROK_201"],
    ["Bearer nonsense", "ERR_NGROK_202"],
    [`Bearer ${SHAPED_KEY}`, "ERR_NGROK_203"],
    [`Bearer ${authtoken}`, "ERR_NGROK_206"],
    [`Bearer ak_${"2".repeat(27)}`, "ERR_NGROK_208"],
  ];
  for (const [Authorization, code] of cases) {
    const { status, body, headers } = await callApi(cloud, "GET", {
      path: OPERATORS,
      headers: { Authorization },
    });
    assert.deepEqual([status, body.status_code, body.error_code], [403, 403, code]);
    assert.match(body.details.operation_id, /^op_[0-9A-Za-z]{27}$/);
    assert.equal(headers.get("ngrok-operation-id"), body.details.operation_id);
    assert.equal(headers.get("content-type"), "application/json");
    assert.deepEqual(Object.keys(body), ["error_code", "status_code", "msg", "details"]);
  }
  for (const [state, code] of [["not_allowed", 204], ["suspended", 205], ["unpaid", 247]] as const) {
    cloud.setAccount({ state });
    const { status, body } = await callApi(cloud, "GET", { path: OPERATORS });
    assert.deepEqual([status, body.error_code], [403, `ERR_NGROK_${code}`]);
  }
});

Deno.test("Basic authorization works too, and a revoked key stops working", async () => {
  await using cloud = await SimulatedCloud.start();
  const key = cloud.addApiKey();
  assert.match(key, /^[0-9A-Za-z]{27}_[0-9A-Za-z]{21}$/);
  const Authorization = `Basic ${btoa(`${key}:`)}`;
  const call = () => callApi(cloud, "GET", { path: OPERATORS, headers: { Authorization } });
  assert.equal((await call()).status, 200);
  cloud.revokeApiKey(key);
  assert.equal((await call()).body.error_code, "ERR_NGROK_203");
});

Deno.test("a request with everything wrong is told one thing at a time, in the documented order", async () => {
  await using cloud = await SimulatedCloud.start({ switches: { retryAfter: "soon" } });
  const headers: Record<string, string | null> = {
    Authorization: "Bearer nonsense",
    "Ngrok-Version": "1",
    "Content-Type": "text/plain",
  };
  let body = "{";
  let path = `${OPERATORS}/k8sop_wrong`;
  const next = async () => {
    const answer = await callApi(cloud, "PATCH", { path, body, headers });
    return [answer.status, answer.body.error_code];
  };
  assert.deepEqual(await next(), [403, "ERR_NGROK_202"]);
  headers["Authorization"] = `Bearer ${cloud.apiKey}`;
  cloud.setRateLimit(0);
  const limited = await callApi(cloud, "PATCH", { path, body, headers });
  assert.deepEqual([limited.status, limited.body.error_code], [429, "ERR_NGROK_226"]);
  assert.equal(limited.headers.get("retry-after"), "soon");
  cloud.setRateLimit(120);
  assert.deepEqual(await next(), [400, "ERR_NGROK_217"]);
  headers["Ngrok-Version"] = null;
  assert.deepEqual(await next(), [400, "ERR_NGROK_218"]);
  headers["Ngrok-Version"] = "2";
  assert.deepEqual(await next(), [400, "ERR_NGROK_210"]);
  headers["Content-Type"] = "application/json; charset=utf-8";
  assert.deepEqual(await next(), [400, "ERR_NGROK_213"]);
  body = '{"surprise":1}';
  assert.deepEqual(await next(), [400, "ERR_NGROK_214"]);
  cloud.switches.unknownJsonFields = "ignore";
  assert.deepEqual(await next(), [400, "ERR_NGROK_227"]);
  body = '{"description":1}';
  assert.deepEqual(await next(), [400, "ERR_NGROK_215"]);
  body = '{"description":null}';
  path = `${OPERATORS}/k8sop_${"0".repeat(27)}`;
  assert.deepEqual(await next(), [404, undefined]);
  cloud.switches.statusOf = { "227": 404 };
  path = `${OPERATORS}/ep_${"0".repeat(27)}`;
  assert.deepEqual(await next(), [404, "ERR_NGROK_227"]);
});

Deno.test("the generic not-found has no error_code, and unknown paths are not found", async () => {
  await using cloud = await SimulatedCloud.start();
  for (
    const path of [`${OPERATORS}/k8sop_${"0".repeat(27)}`, "/nothing", `/endpoints/ep_${"0".repeat(27)}`]
  ) {
    const { status, body } = await callApi(cloud, "GET", { path });
    assert.equal(status, 404);
    assert.deepEqual({ ...body, details: null }, {
      status_code: 404,
      msg: "Resource not found",
      details: null,
    });
  }
});

Deno.test("the rate limit is 120 requests in a rolling minute, for each account", async () => {
  let now = Date.parse("2026-01-01T00:00:00Z");
  await using cloud = await SimulatedCloud.start({ now: () => now });
  const other = cloud.addAccount();
  const call = async (key: string) =>
    (await callApi(cloud, "GET", { path: OPERATORS, headers: { Authorization: `Bearer ${key}` } })).status;
  for (let count = 0; count < 120; count++) {
    assert.equal(await call(cloud.apiKey), 200);
    now += 100;
  }
  const limited = await callApi(cloud, "GET", { path: OPERATORS });
  assert.deepEqual([limited.status, limited.body.error_code], [429, "ERR_NGROK_226"]);
  assert.equal(limited.headers.has("retry-after"), false);
  assert.equal(await call(other.apiKey), 200);
  now += 60_000 - 120 * 100;
  assert.equal(await call(cloud.apiKey), 200, "the first request has left the window");
  assert.equal(await call(cloud.apiKey), 429, "the second has not");
});

Deno.test("an operator with bindings gets a 90-day certificate from this second, and itself back", async () => {
  const now = Date.parse("2025-10-24T21:16:12.789Z");
  await using cloud = await SimulatedCloud.start({ now: () => now });
  const { csr } = await makeCsr();
  const { status, body } = await callApi(cloud, "POST", {
    path: OPERATORS,
    body: {
      description: "ngrokd daemon",
      metadata: '{"type":"forward-proxy"}',
      enabled_features: ["Bindings"],
      region: "global",
      deployment: {},
      binding: { csr },
    },
  });
  assert.equal(status, 201);
  assert.match(body.id, /^k8sop_[0-9A-Za-z]{27}$/);
  assert.equal(ksuidSeconds(body.id.slice(6)), Math.floor(now / 1000));
  const { cert } = body.binding.cert;
  const { id, principal } = body;
  assert.deepEqual(body, {
    id,
    uri: `${cloud.apiUrl}${OPERATORS}/${id}`,
    created_at: "2025-10-24T21:16:12Z",
    updated_at: "2025-10-24T21:16:12Z",
    description: "ngrokd daemon",
    metadata: '{"type":"forward-proxy"}',
    principal: { id: principal.id, uri: "" },
    enabled_features: ["bindings"],
    region: "global",
    deployment: { cluster_name: "", name: "", namespace: "", version: "" },
    binding: {
      endpoint_selectors: ["true"],
      cert: { cert, not_before: "2025-10-24T21:16:12Z", not_after: "2026-01-22T21:16:12Z" },
      ingress_endpoint: `localhost:${cloud.ingressPort}`,
    },
  });
  const certificate = new X509Certificate(cert);
  assert.equal(certificate.validFromDate.toISOString(), "2025-10-24T21:16:12.000Z");
  assert.equal(certificate.validToDate.getTime() - certificate.validFromDate.getTime(), 90 * DAY_MS);
  const ca = new X509Certificate(cloud.caPem);
  assert.ok(certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  assert.notEqual(ca.issuer, ca.subject, "the trust anchor is not self-signed");
  assert.match(certificate.subject, new RegExp(id));
  const usages = new x509.X509Certificate(cert).getExtension(x509.ExtendedKeyUsageExtension)?.usages;
  assert.deepEqual([...usages ?? []], ["1.3.6.1.5.5.7.3.2"]);

  const again = await callApi(cloud, "GET", { path: `${OPERATORS}/${id}` });
  assert.deepEqual(again.body, body);
});

Deno.test("an operator without bindings shows an empty certificate, and its ingress endpoint only after the creation", async () => {
  await using cloud = await SimulatedCloud.start({
    switches: { ingressEndpoint: "connect.ngrok-endpoints.com:443" },
  });
  const created = (await callApi(cloud, "POST", { path: OPERATORS, body: {} })).body;
  const binding = {
    endpoint_selectors: null,
    cert: { cert: "", not_before: "0001-01-01T00:00:00Z", not_after: "0001-01-01T00:00:00Z" },
  };
  assert.deepEqual(created.binding, binding);
  const updated = await callApi(cloud, "PATCH", {
    path: `${OPERATORS}/${created.id}`,
    body: { description: "x" },
  });
  assert.equal(updated.status, 200);
  assert.deepEqual(updated.body.binding, { ...binding, ingress_endpoint: "connect.ngrok-endpoints.com:443" });
  assert.equal(updated.body.description, "x");
});

Deno.test("the same CSR gives the same certificate, a new one a new certificate, and a renewal leaves the rest alone", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud, { selectors: ["true", "false"] });
  const patch = async (csr: string) => {
    const { body } = await operator.call("PATCH", `${OPERATORS}/${operator.id}`, { binding: { csr } });
    assert.deepEqual(body.binding.endpoint_selectors, ["true", "false"]);
    return body.binding.cert.cert;
  };
  const fresh = await makeCsr();
  assert.equal(await patch(operator.csr), operator.cert);
  const renewed = await patch(fresh.csr);
  assert.notEqual(renewed, operator.cert);
  assert.equal(await patch(operator.csr), operator.cert);
});

Deno.test("P-384 and P-256 with SHA-512 are signed; a bad signature, a common name, RSA and garbage are refused with 19001", async () => {
  await using cloud = await SimulatedCloud.start();
  const send = async (csr: string) => {
    const body = { enabled_features: ["bindings"], binding: { csr } };
    const answer = await callApi(cloud, "POST", { path: OPERATORS, body });
    return [answer.status, answer.body.error_code];
  };
  const p384 = { name: "ECDSA", namedCurve: "P-384" };
  const rsa = {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: "SHA-256",
  };
  assert.deepEqual(await send((await makeCsr({ algorithm: p384, hash: "SHA-384" })).csr), [201, undefined]);
  assert.deepEqual(await send((await makeCsr({ hash: "SHA-512", subject: "" })).csr), [201, undefined]);
  assert.deepEqual(await send((await makeCsr({ subject: "CN=name" })).csr), [400, "ERR_NGROK_19001"]);
  assert.deepEqual(await send("nonsense"), [400, "ERR_NGROK_19001"]);
  const { csr } = await makeCsr();
  const der = Uint8Array.from(atob(csr.replace(/-----[^-]+-----|\s/g, "")), (c) => c.charCodeAt(0));
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  const spoilt = `-----BEGIN CERTIFICATE REQUEST-----\n${
    btoa(String.fromCharCode(...der))
  }\n-----END CERTIFICATE REQUEST-----\n`;
  assert.deepEqual(await send(spoilt), [400, "ERR_NGROK_19001"]);
  const rsaCsr = (await makeCsr({ algorithm: rsa })).csr;
  assert.deepEqual(await send(rsaCsr), [400, "ERR_NGROK_19001"]);
  cloud.switches.csrKeys = "any";
  assert.deepEqual(await send(rsaCsr), [201, undefined]);
});

Deno.test("operators that are not valid are refused with their codes", async () => {
  await using cloud = await SimulatedCloud.start();
  const { csr } = await makeCsr();
  const cases: [unknown, string][] = [
    [{ region: "moon" }, "invalid_region_target"],
    [{ enabled_features: ["flying"] }, "ERR_NGROK_19002"],
    [{ description: "x".repeat(256) }, "ERR_NGROK_19002"],
    [{ metadata: "é".repeat(2049) }, "ERR_NGROK_19002"],
    [{ binding: { csr } }, "ERR_NGROK_19002"],
    [{ enabled_features: ["bindings"], binding: { endpoint_selectors: ["nope("] } }, "ERR_NGROK_19003"],
    [{ enabled_features: "bindings" }, "ERR_NGROK_215"],
    [[], "ERR_NGROK_215"],
  ];
  for (const [body, code] of cases) {
    const answer = await callApi(cloud, "POST", { path: OPERATORS, body });
    assert.deepEqual([answer.status, answer.body.error_code], [400, code], JSON.stringify(body));
  }
  cloud.setAccount({ bindingsEnabled: false });
  const answer = await callApi(cloud, "POST", { path: OPERATORS, body: { enabled_features: ["bindings"] } });
  assert.deepEqual([answer.status, answer.body.error_code], [400, "ERR_NGROK_19002"]);
  assert.deepEqual(cloud.operators(), []);
});

Deno.test("a second operator of the same deployment conflicts, one without a deployment does not", async () => {
  await using cloud = await SimulatedCloud.start();
  const create = async (body: unknown) => (await callApi(cloud, "POST", { path: OPERATORS, body })).status;
  assert.equal(await create({ deployment: { name: "a", namespace: "b" } }), 201);
  assert.equal(await create({ deployment: { name: "a", namespace: "b" } }), 409);
  assert.equal(await create({ deployment: { name: "a", namespace: "c" } }), 201);
  assert.equal(await create({}), 201);
  assert.equal(await create({}), 201);
});

Deno.test("a deleted operator is gone for get, update, list and delete", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  const path = `${OPERATORS}/${operator.id}`;
  const deleted = await operator.call("DELETE", path);
  assert.deepEqual([deleted.status, deleted.text], [204, ""]);
  for (
    const [method, suffix, body] of [["GET", ""], ["PATCH", "", {}], ["DELETE", ""], [
      "GET",
      "/bound_endpoints",
    ]] as const
  ) {
    assert.equal((await operator.call(method, path + suffix, body)).status, 404);
  }
  assert.deepEqual((await operator.call("GET", OPERATORS)).body.operators, []);
  assert.equal(cloud.operators()[0]?.deleted, true);
});

Deno.test("another account sees neither operator nor endpoints", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  const { id } = cloud.addEndpoint({ url: "http://api.myapp", backend: "http" });
  const other = cloud.addAccount();
  cloud.addEndpoint({ url: "http://api.myapp", backend: "http", accountId: other.id });
  for (const path of [`${OPERATORS}/${operator.id}`, `/endpoints/${id}`]) {
    const headers = { Authorization: `Bearer ${other.apiKey}` };
    assert.equal((await callApi(cloud, "GET", { path, headers })).status, 404);
    assert.equal((await callApi(cloud, "GET", { path })).status, 200);
  }
});

Deno.test("bound endpoints come newest first in pages of at most 100, linked by absolute URLs that keep the limit", async () => {
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
      const { body } = await operator.call("GET", uri);
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

Deno.test("bad query parameters are refused with their codes", async () => {
  await using cloud = await SimulatedCloud.start();
  for (
    const [query, code] of [
      ["limit=0", 233],
      ["limit=101", 233],
      ["limit=many", 244],
      ["limit=1&limit=2", 232],
      ["colour=red", 231],
      ["filter=nonsense(", 250],
    ] as const
  ) {
    const { status, body } = await callApi(cloud, "GET", { path: `/endpoints?${query}` });
    assert.deepEqual([status, body.error_code], [400, `ERR_NGROK_${code}`], query);
  }
});

Deno.test("selectors filter the bound list, OR by default, and a PATCH takes effect on the next list", async () => {
  await using cloud = await SimulatedCloud.start();
  for (const name of ["one.staging", "two.staging", "three.myapp"]) {
    cloud.addEndpoint({ url: `http://${name}`, backend: "http" });
  }
  const operator = await register(cloud, {
    selectors: ['endpoint.url.contains(".staging")', 'endpoint.url.contains("two")'],
  });
  const list = async () =>
    (await operator.call("GET", `${OPERATORS}/${operator.id}/bound_endpoints`)).body.endpoints
      .map(({ url }: { url: string }) => url);
  assert.deepEqual(await list(), ["http://two.staging", "http://one.staging"]);
  cloud.switches.selectors = "and";
  assert.deepEqual(await list(), ["http://two.staging"]);
  await operator.call("PATCH", `${OPERATORS}/${operator.id}`, { binding: { endpoint_selectors: ["false"] } });
  assert.deepEqual(await list(), []);
});

Deno.test("a listed endpoint leaves unset fields out and strips default ports, but keeps them in hostport", async () => {
  await using cloud = await SimulatedCloud.start();
  const { id } = cloud.addEndpoint({ url: "tls://secure.myapp:443", backend: "tls", metadata: "m" });
  const { body } = await callApi(cloud, "GET", { path: "/endpoints" });
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
  const created = await callApi(cloud, "POST", {
    path: "/endpoints",
    body: { url: "https://shop.example.com:443", type: "cloud", bindings: ["public"], description: "d" },
  });
  assert.equal(created.status, 201);
  assert.deepEqual(
    [created.body.url, created.body.hostport, created.body.port],
    ["https://shop.example.com", "shop.example.com:443", 443],
  );
  const path = `/endpoints/${created.body.id}`;
  const patched = await callApi(cloud, "PATCH", { path, body: { metadata: "new" } });
  assert.deepEqual([patched.status, patched.body.metadata, patched.body.description], [200, "new", "d"]);
  for (
    const [body, code] of [[{ url: "http://other.example.com" }, 249], [
      { pooling_enabled: true },
      18016,
    ]] as const
  ) {
    assert.equal((await callApi(cloud, "PATCH", { path, body })).body.error_code, `ERR_NGROK_${code}`);
  }
  cloud.addEndpoint({ url: "tcp://db.myapp:5432", backend: "tcp" });
  const filtered = async (query: Record<string, string>) =>
    (await callApi(cloud, "GET", { path: `/endpoints?${new URLSearchParams(query)}` })).body.endpoints
      .map(({ url }: { url: string }) => url);
  assert.deepEqual(await filtered({ filter: '"kubernetes" in obj.bindings' }), ["tcp://db.myapp:5432"]);
  assert.deepEqual(await filtered({ id: created.body.id }), ["https://shop.example.com"]);
  assert.deepEqual(await filtered({ url: "https://shop.example.com" }), ["https://shop.example.com"]);
  assert.equal((await callApi(cloud, "DELETE", { path })).status, 204);
  assert.equal((await callApi(cloud, "GET", { path })).status, 404);
  assert.equal((await callApi(cloud, "DELETE", { path })).status, 404);
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
    const answer = await callApi(cloud, "POST", { path: "/endpoints", body });
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
    (await callApi(cloud, "POST", { path: "/endpoints", body: pooled })).body.error_code,
    "ERR_NGROK_18019",
  );
  cloud.setAccount({ poolingAllowed: true });
  assert.equal((await callApi(cloud, "POST", { path: "/endpoints", body: pooled })).status, 201);
  cloud.switches.httpsKubernetes = true;
  const https = { url: "https://a.myapp", bindings: ["kubernetes"] };
  assert.equal((await callApi(cloud, "POST", { path: "/endpoints", body: https })).status, 201);
  cloud.switches.wildcardKubernetes = false;
  assert.throws(() => cloud.addEndpoint({ url: "tls://*.example.com", backend: "tls" }), {
    code: "ERR_NGROK_9039",
  });
});

Deno.test("a binding that is not written out is internal for .internal names and public for others", async () => {
  await using cloud = await SimulatedCloud.start();
  for (const [url, binding] of [["http://db.internal", "internal"], ["http://db.example.com", "public"]]) {
    assert.deepEqual((await callApi(cloud, "POST", { path: "/endpoints", body: { url } })).body.bindings, [
      binding,
    ]);
  }
});

Deno.test("the API speaks HTTPS with a certificate of the same CA, and records requests without the key", async () => {
  await using cloud = await SimulatedCloud.start({ apiTls: true });
  assert.match(cloud.apiUrl, /^https:\/\/127\.0\.0\.1:/);
  using client = Deno.createHttpClient({ caCerts: [cloud.caPem] });
  const response = await fetch(`${cloud.apiUrl}/endpoints?limit=5`, {
    client,
    headers: { Authorization: `Bearer ${cloud.apiKey}`, "Ngrok-Version": "2", "User-Agent": "test" },
  });
  assert.deepEqual((await response.json()).endpoints, []);
  const [record] = cloud.requests();
  assert.deepEqual(
    [record?.method, record?.path, record?.route, record?.status, record?.headers["user-agent"]],
    ["GET", "/endpoints?limit=5", "endpoints.list", 200, "test"],
  );
  assert.ok(!JSON.stringify(record).includes(cloud.apiKey));
});

Deno.test("the API keeps connections open, takes chunked bodies and answers 400 to what is not HTTP", async () => {
  await using cloud = await SimulatedCloud.start();
  const port = Number(new URL(cloud.apiUrl).port);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const head =
    `Host: x\r\nAuthorization: Bearer ${cloud.apiKey}\r\nNgrok-Version: 2\r\nContent-Type: application/json\r\n`;
  const text = `POST /kubernetes_operators HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n` +
    `6\r\n{"desc\r\nf\r\nription":"one"}\r\n0\r\nTrailer: x\r\n\r\n` +
    `GET /kubernetes_operators HTTP/1.1\r\n${head}\r\nnonsense\r\n\r\n`;
  await conn.write(new TextEncoder().encode(text));
  const answers = await new Response(conn.readable).text();
  assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 201", "HTTP/1.1 200", "HTTP/1.1 400"]);
  assert.equal(cloud.operators()[0]?.description, "one");
  assert.equal(cloud.requests()[0]?.body, `{"description":"one"}`);
});

Deno.test("the API can be closed and opened again on its port", async () => {
  await using cloud = await SimulatedCloud.start();
  const url = cloud.apiUrl;
  assert.equal((await callApi(cloud, "GET", { path: "/endpoints" })).status, 200);
  await cloud.closeApi();
  await assert.rejects(callApi(cloud, "GET", { path: "/endpoints" }));
  await cloud.openApi();
  assert.equal(cloud.apiUrl, url);
  assert.equal((await callApi(cloud, "GET", { path: "/endpoints" })).status, 200);
});
