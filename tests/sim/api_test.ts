import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { callApi, OPERATORS } from "./raw_client.ts";

const SHAPED_KEY = `${"2".repeat(27)}_abcdefghijklmnopqrstu`;

Deno.test("each failure of the authorization has its code, in a body of the documented shape", async () => {
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
    const { status, body, headers } = await callApi(cloud, `GET ${OPERATORS}`, {
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
    const { status, body } = await callApi(cloud, `GET ${OPERATORS}`);
    assert.deepEqual([status, body.error_code], [403, `ERR_NGROK_${code}`]);
  }
});

Deno.test("Basic authorization works, and a revoked key is refused", async () => {
  await using cloud = await SimulatedCloud.start();
  const key = cloud.addApiKey();
  assert.match(key, /^[0-9A-Za-z]{27}_[0-9A-Za-z]{21}$/);
  const Authorization = `Basic ${btoa(`${key}:`)}`;
  const call = () => callApi(cloud, `GET ${OPERATORS}`, { headers: { Authorization } });
  assert.equal((await call()).status, 200);
  cloud.revokeApiKey(key);
  assert.equal((await call()).body.error_code, "ERR_NGROK_203");
});

Deno.test("the checks of a request come in the documented order", async () => {
  await using cloud = await SimulatedCloud.start({ switches: { retryAfter: "soon" } });
  const headers: Record<string, string | null> = {
    Authorization: "Bearer nonsense",
    "Ngrok-Version": "1",
    "Content-Type": "text/plain",
  };
  let body = "{";
  let path = `${OPERATORS}/k8sop_wrong`;
  const next = async () => {
    const answer = await callApi(cloud, `PATCH ${path}`, { body, headers });
    return [answer.status, answer.body.error_code];
  };
  assert.deepEqual(await next(), [403, "ERR_NGROK_202"]);
  headers["Authorization"] = `Bearer ${cloud.apiKey}`;
  cloud.setRateLimit(0);
  const limited = await callApi(cloud, `PATCH ${path}`, { body, headers });
  assert.deepEqual([limited.status, limited.body.error_code], [429, "ERR_NGROK_226"]);
  assert.equal(limited.headers.get("retry-after"), "soon");
  cloud.setRateLimit(120);
  assert.deepEqual(await next(), [400, "ERR_NGROK_217"]);
  headers["Ngrok-Version"] = null;
  assert.deepEqual(await next(), [400, "ERR_NGROK_218"]);
  headers["Ngrok-Version"] = "2";
  assert.deepEqual(await next(), [400, "ERR_NGROK_210"]);
  headers["Content-Type"] = null;
  assert.deepEqual(await next(), [400, "ERR_NGROK_216"]);
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

Deno.test("a GET and a DELETE must not have a body", async () => {
  await using cloud = await SimulatedCloud.start();
  const { status, body } = await callApi(cloud, `DELETE ${OPERATORS}/x`, { body: {} });
  assert.deepEqual([status, body.error_code], [400, "ERR_NGROK_211"]);
});

Deno.test("an unknown path or id is not found, without an error_code", async () => {
  await using cloud = await SimulatedCloud.start();
  for (
    const path of [`${OPERATORS}/k8sop_${"0".repeat(27)}`, "/nothing", `/endpoints/ep_${"0".repeat(27)}`]
  ) {
    const { status, body } = await callApi(cloud, `GET ${path}`);
    assert.equal(status, 404);
    assert.deepEqual({ ...body, details: null }, {
      status_code: 404,
      msg: "Resource not found",
      details: null,
    });
  }
});

Deno.test("each account may make 120 requests in a rolling minute", async () => {
  let now = Date.parse("2026-01-01T00:00:00Z");
  await using cloud = await SimulatedCloud.start({ now: () => now });
  const other = cloud.addAccount();
  const call = async (key: string) =>
    (await callApi(cloud, `GET ${OPERATORS}`, { headers: { Authorization: `Bearer ${key}` } })).status;
  for (let count = 0; count < 120; count++) {
    assert.equal(await call(cloud.apiKey), 200);
    now += 100;
  }
  const limited = await callApi(cloud, `GET ${OPERATORS}`);
  assert.deepEqual([limited.status, limited.body.error_code], [429, "ERR_NGROK_226"]);
  assert.equal(limited.headers.has("retry-after"), false);
  assert.equal(await call(other.apiKey), 200);
  now += 60_000 - 120 * 100;
  assert.equal(await call(cloud.apiKey), 200, "the first request has left the window");
  assert.equal(await call(cloud.apiKey), 429, "the second has not");
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
    const { status, body } = await callApi(cloud, `GET /endpoints?${query}`);
    assert.deepEqual([status, body.error_code], [400, `ERR_NGROK_${code}`], query);
  }
});

Deno.test("the API speaks HTTPS with a certificate of its CA, and records requests without the key", async () => {
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

Deno.test("the API keeps connections open, accepts chunked bodies and answers 400 to other bytes", async () => {
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
  assert.equal((await callApi(cloud, "GET /endpoints")).status, 200);
  await cloud.closeApi();
  await assert.rejects(callApi(cloud, "GET /endpoints"));
  await cloud.openApi();
  assert.equal(cloud.apiUrl, url);
  assert.equal((await callApi(cloud, "GET /endpoints")).status, 200);
});
