import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { callApi, makeCsr, OPERATORS, type RawAnswer, register } from "./raw_client.ts";

/** Registers an operator and returns a function that gets its bound list. */
async function boundList(cloud: SimulatedCloud): Promise<() => Promise<RawAnswer>> {
  const { id } = await register(cloud);
  return () => callApi(cloud, `GET ${OPERATORS}/${id}/bound_endpoints`);
}

/** The bytes of one answer, up to the end of the connection. */
async function rawAnswer(cloud: SimulatedCloud): Promise<{ text: string; broken: boolean }> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(cloud.apiUrl).port) });
  await conn.write(new TextEncoder().encode(
    `GET /endpoints HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${cloud.apiKey}\r\nNgrok-Version: 2\r\nConnection: close\r\n\r\n`,
  ));
  let text = "";
  const buffer = new Uint8Array(65_536);
  try {
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    return { text, broken: false };
  } catch {
    return { text, broken: true };
  }
}

Deno.test("an error fault applies to its route, `times` times, after `after` chances", async () => {
  await using cloud = await SimulatedCloud.start();
  const list = await boundList(cloud);
  cloud.faults.set({
    kind: "error",
    route: "bound_endpoints.list",
    status: 429,
    code: "ERR_NGROK_226",
    message: "slow down",
    retryAfter: "Wed, 21 Oct 2015 07:28:00 GMT",
    after: 1,
    times: 2,
  });
  const statuses: number[] = [];
  for (let count = 0; count < 4; count++) {
    const answer = await list();
    statuses.push(answer.status);
    if (answer.status !== 429) continue;
    assert.deepEqual([answer.body.error_code, answer.body.status_code, answer.body.msg], [
      "ERR_NGROK_226",
      429,
      "slow down",
    ]);
    assert.equal(answer.headers.get("retry-after"), "Wed, 21 Oct 2015 07:28:00 GMT");
    assert.equal((await callApi(cloud, "GET /endpoints")).status, 200, "other routes work");
  }
  assert.deepEqual(statuses, [200, 429, 429, 200]);
  assert.deepEqual(cloud.faults.list(), []);
});

Deno.test("an error fault has its status in the body, and no code unless one is given", async () => {
  await using cloud = await SimulatedCloud.start();
  for (const status of [401, 403, 404, 429, 500, 502, 503]) {
    const off = cloud.faults.set({ kind: "error", status });
    const { status: got, body, headers } = await callApi(cloud, "GET /endpoints");
    assert.deepEqual([got, body.status_code], [status, status]);
    assert.deepEqual(["error_code" in body, headers.has("retry-after")], [false, false]);
    off();
    assert.equal((await callApi(cloud, "GET /endpoints")).status, 200);
  }
});

Deno.test("faults answer with HTML, text, an empty body or a redirect", async () => {
  await using cloud = await SimulatedCloud.start();
  const get = () => callApi(cloud, "GET /endpoints");
  cloud.faults.set({ kind: "html", status: 502, times: 1 });
  const html = await get();
  assert.deepEqual([html.status, html.headers.get("content-type")], [502, "text/html"]);
  assert.match(html.text, /^<!DOCTYPE html>/);
  cloud.faults.set({ kind: "text_body", text: '{"endpoints":', times: 1 });
  assert.deepEqual([(await get()).text], ['{"endpoints":']);
  cloud.faults.set({ kind: "empty_body", times: 1 });
  const empty = await get();
  assert.deepEqual([empty.status, empty.text], [200, ""]);
  cloud.faults.set({ kind: "redirect", location: "https://other.example.com/x", times: 1 });
  const redirect = await get();
  assert.deepEqual([redirect.status, redirect.headers.get("location")], [302, "https://other.example.com/x"]);
  assert.deepEqual(cloud.requests().map(({ status }) => status), [502, 200, 200, 302]);
});

Deno.test("faults cut a body, reset the connection or make a body huge", async () => {
  await using cloud = await SimulatedCloud.start();
  cloud.faults.set({ kind: "cut_body", bytes: 10, times: 1 });
  const cut = await rawAnswer(cloud);
  assert.equal(cut.text.split("\r\n\r\n")[1]?.length, 10);
  assert.ok(Number(/Content-Length: (\d+)/.exec(cut.text)?.[1]) > 10);
  cloud.faults.set({ kind: "reset", times: 1 });
  assert.deepEqual(await rawAnswer(cloud), { text: "", broken: true });
  cloud.faults.set({ kind: "huge_body", bytes: 5_000_000, times: 1 });
  const huge = await callApi(cloud, "GET /endpoints");
  assert.ok(huge.text.length > 5_000_000);
  assert.deepEqual(huge.body.endpoints, []);
  assert.equal(cloud.requests()[1]?.status, 0);
});

Deno.test("faults slow a body down or delay an answer without changing it", async () => {
  await using cloud = await SimulatedCloud.start();
  cloud.faults.set({ kind: "slow_body", msPerByte: 1, times: 1 });
  const startedAt = performance.now();
  const slow = await callApi(cloud, "GET /endpoints");
  assert.deepEqual(slow.body.endpoints, []);
  assert.ok(performance.now() - startedAt >= slow.text.length);
  cloud.faults.set({ kind: "delay", ms: 30, times: 1 });
  const delayedAt = performance.now();
  assert.equal((await callApi(cloud, "GET /endpoints")).status, 200);
  assert.ok(performance.now() - delayedAt >= 29);
});

Deno.test("a request that is never answered does not delay the end of the cloud", async () => {
  const cloud = await SimulatedCloud.start();
  cloud.faults.set({ kind: "never_answer" }, { kind: "delay", ms: 3_600_000, route: "operators.list" });
  const settled = [`${cloud.apiUrl}/endpoints`, `${cloud.apiUrl}${OPERATORS}`].map((url) =>
    fetch(url).then(() => "answered", () => "broken")
  );
  while (cloud.requests().length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await cloud[Symbol.asyncDispose]();
  assert.deepEqual(await Promise.all(settled), ["broken", "broken"]);
});

Deno.test("the fault next_page_uri yields every form of an end and of a link, and every bad link", async () => {
  await using cloud = await SimulatedCloud.start();
  cloud.setRateLimit(10_000);
  const { id } = await register(cloud);
  const path = `${OPERATORS}/${id}/bound_endpoints`;
  for (let index = 0; index < 3; index++) {
    cloud.addEndpoint({ url: `http://a${index}.myapp`, backend: "http" });
  }
  const get = async (value: string, query = "") => {
    const off = cloud.faults.set({ kind: "next_page_uri", value: value as "null" });
    const { body } = await callApi(cloud, `GET ${path + query}`);
    off();
    return body;
  };
  assert.equal((await get("null")).next_page_uri, null);
  assert.equal((await get("empty")).next_page_uri, "");
  assert.equal("next_page_uri" in await get("absent"), false);
  const absolute = (await get("absolute", "?limit=2")).next_page_uri;
  assert.ok(absolute.startsWith(`${cloud.apiUrl}${path}?limit=2&before_id=ep_`));
  for (const end of ["null", "empty", "absent"]) {
    assert.equal((await get(end, "?limit=2")).next_page_uri, absolute, "a link stays a link");
  }
  assert.equal(cloud.apiUrl + (await get("relative", "?limit=2")).next_page_uri, absolute);
  assert.equal(new URL((await get("other_host")).next_page_uri).hostname, "other.example.com");
  assert.equal((await get("file")).next_page_uri, "file:///etc/passwd");
  assert.equal((await get("loop")).next_page_uri, cloud.apiUrl + path);
  const [one, two] = [await get("endless"), await get("endless")];
  assert.notEqual(one.next_page_uri, two.next_page_uri);
  const again = await callApi(cloud, `GET ${two.next_page_uri}`);
  assert.deepEqual(again.body.endpoints, two.endpoints, "an endless page repeats its entries");
  const [fresh, fresher] = [await get("endless_fresh"), await get("endless_fresh")];
  const ids = [...fresh.endpoints, ...fresher.endpoints].map((endpoint: { id: string }) => endpoint.id);
  assert.equal(new Set(ids).size, 200);
});

Deno.test("faults fill lists with stale entries, duplicates, unknown fields, or nothing", async () => {
  await using cloud = await SimulatedCloud.start();
  const list = await boundList(cloud);
  const { id } = cloud.addEndpoint({ url: "http://api.myapp", backend: "http" });
  const ids = async () => (await list()).body.endpoints.map((endpoint: { id: string }) => endpoint.id);
  cloud.faults.set({ kind: "stale_entries", urls: ["tcp://old.myapp:1"], times: 1 });
  const [stale, real] = (await list()).body.endpoints;
  assert.deepEqual([stale.url, stale.proto, real.id], ["tcp://old.myapp:1", "tcp", id]);
  assert.equal((await callApi(cloud, `GET /endpoints/${stale.id}`)).status, 404);
  cloud.faults.set({ kind: "duplicates", times: 1 });
  assert.deepEqual(await ids(), [id, id]);
  cloud.faults.set({ kind: "empty_list", times: 1 });
  assert.deepEqual(await ids(), []);
  cloud.faults.set({ kind: "extra_fields", times: 1 });
  const { body } = await list();
  assert.ok("introduced_later" in body && "introduced_later" in body.endpoints[0]);
  assert.deepEqual(await ids(), [id]);
});

Deno.test("faults leave out url, or both URLs, or keep default ports", async () => {
  await using cloud = await SimulatedCloud.start();
  const list = await boundList(cloud);
  cloud.addEndpoint({ url: "tls://a.myapp", backend: "tls" });
  cloud.addEndpoint({ url: "http://b.myapp", backend: "http" });
  cloud.addEndpoint({ url: "tcp://c.myapp:9", backend: "echo" });
  const urls = async () =>
    (await list()).body.endpoints.map((
      endpoint: Record<string, unknown>,
    ) => [endpoint["url"], endpoint["public_url"]]);
  const plain = ["tcp://c.myapp:9", "http://b.myapp", "tls://a.myapp"];
  cloud.faults.set({ kind: "missing_url", times: 1 });
  assert.deepEqual(await urls(), plain.map((url) => [undefined, url]));
  cloud.faults.set({ kind: "missing_url", both: true, times: 1 });
  assert.deepEqual(await urls(), plain.map(() => [undefined, undefined]));
  cloud.faults.set({ kind: "default_ports_kept", times: 1 });
  assert.deepEqual(
    await urls(),
    ["tcp://c.myapp:9", "http://b.myapp:80", "tls://a.myapp:443"].map((url) => [url, url]),
  );
  assert.deepEqual(await urls(), plain.map((url) => [url, url]));
});

Deno.test("an edge endpoint has neither url nor uri", async () => {
  await using cloud = await SimulatedCloud.start();
  cloud.addEndpoint({ url: "tls://edge.myapp", backend: "tls", type: "edge" });
  const [endpoint] = (await callApi(cloud, "GET /endpoints")).body.endpoints;
  assert.deepEqual(["url" in endpoint, "uri" in endpoint, endpoint.public_url], [
    false,
    false,
    "tls://edge.myapp",
  ]);
});

Deno.test("faults issue certificates that are short-lived, for another key, empty, or with a chain", async () => {
  await using cloud = await SimulatedCloud.start();
  const { id } = await register(cloud);
  const { key, csr } = await makeCsr();
  const renew = async () => {
    const body = { binding: { csr } };
    return (await callApi(cloud, `PATCH ${OPERATORS}/${id}`, { body })).body.binding.cert;
  };
  const blocks = (pem: string) => pem.match(/-----BEGIN CERTIFICATE-----/g)?.length ?? 0;
  const publicKeyOf = (pem: string) =>
    new X509Certificate(pem).publicKey.export({ type: "spki", format: "pem" });
  const ownKey = createPublicKey(createPrivateKey(key) as never).export({ type: "spki", format: "pem" });

  cloud.faults.set({ kind: "wrong_key_certificate", times: 1 });
  assert.notEqual(publicKeyOf((await renew()).cert), ownKey);
  cloud.faults.set({ kind: "empty_certificate", times: 1 });
  assert.equal((await renew()).cert, "");
  cloud.faults.set({ kind: "certificate_chain", times: 1 });
  const chain = (await renew()).cert;
  assert.equal(blocks(chain), 2);
  assert.ok(chain.endsWith(cloud.caPem));
  const good = (await renew()).cert;
  assert.deepEqual([blocks(good), publicKeyOf(good)], [1, ownKey]);
  cloud.switches.certificateChain = "chain";
  assert.equal((await renew()).cert, good + cloud.caPem);

  cloud.faults.set({ kind: "short_certificate", lifetimeMs: 5000, times: 1 });
  const fresh = await makeCsr();
  const { body } = await callApi(cloud, `PATCH ${OPERATORS}/${id}`, {
    body: { binding: { csr: fresh.csr } },
  });
  const { cert, not_before, not_after } = body.binding.cert;
  assert.equal(Date.parse(not_after) - Date.parse(not_before), 5000);
  const { validFromDate, validToDate } = new X509Certificate(cert);
  assert.equal(validToDate.getTime() - validFromDate.getTime(), 5000);
});

Deno.test("ingress_endpoint is the client's choice, unless a fault replaces it or leaves it out", async () => {
  await using cloud = await SimulatedCloud.start();
  const { id } = await register(cloud);
  const path = `${OPERATORS}/${id}`;
  const get = async () => (await callApi(cloud, `GET ${path}`)).body.binding;
  cloud.faults.set({ kind: "ingress_endpoint", value: "elsewhere.example.com:1", times: 1 });
  assert.equal((await get()).ingress_endpoint, "elsewhere.example.com:1");
  cloud.faults.set({ kind: "ingress_endpoint", value: null, times: 1 });
  assert.equal("ingress_endpoint" in await get(), false);
  await callApi(cloud, `PATCH ${path}`, { body: { binding: { ingress_endpoint: "mine.example.com:443" } } });
  assert.equal((await get()).ingress_endpoint, "mine.example.com:443");
  cloud.faults.set({ kind: "ingress_endpoint", value: "listed.example.com:1", route: "operators.list" });
  const { body } = await callApi(cloud, `GET ${OPERATORS}`);
  assert.equal(body.operators[0].binding.ingress_endpoint, "listed.example.com:1");
});

Deno.test("a known key gets its old certificate if the switch says so", async () => {
  await using cloud = await SimulatedCloud.start({
    switches: { newCertificateForSameKey: false, certificateSubject: "empty" },
  });
  const { id } = await register(cloud);
  const path = `${OPERATORS}/${id}`;
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const send = async (subject: string) => {
    const { csr } = await makeCsr({ subject, keys });
    return (await callApi(cloud, `PATCH ${path}`, { body: { binding: { csr } } })).body.binding.cert.cert;
  };
  const [first, second] = [await send("O=one"), await send("O=two")];
  assert.equal(first, second);
  assert.equal(new X509Certificate(first).subject ?? "", "");
});
