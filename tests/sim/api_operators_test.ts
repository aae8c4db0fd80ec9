import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { ksuidSeconds } from "../../sim/cloud/ksuid.ts";
import { callApi, makeCsr, OPERATORS, register } from "./raw_client.ts";

const DAY_MS = 86_400_000;

Deno.test("an operator with bindings gets a certificate for 90 days from this second", async () => {
  const now = Date.parse("2025-10-24T21:16:12.789Z");
  await using cloud = await SimulatedCloud.start({ now: () => now });
  const { csr } = await makeCsr();
  const { status, body } = await callApi(cloud, `POST ${OPERATORS}`, {
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

  const again = await callApi(cloud, `GET ${OPERATORS}/${id}`);
  assert.deepEqual(again.body, body);
});

Deno.test("an operator without bindings has an empty certificate, and an ingress only after an update", async () => {
  await using cloud = await SimulatedCloud.start({
    switches: { ingressEndpoint: "connect.ngrok-endpoints.com:443" },
  });
  const created = (await callApi(cloud, `POST ${OPERATORS}`, { body: {} })).body;
  const binding = {
    endpoint_selectors: null,
    cert: { cert: "", not_before: "0001-01-01T00:00:00Z", not_after: "0001-01-01T00:00:00Z" },
  };
  assert.deepEqual(created.binding, binding);
  const updated = await callApi(cloud, `PATCH ${OPERATORS}/${created.id}`, { body: { description: "x" } });
  assert.equal(updated.status, 200);
  assert.deepEqual(updated.body.binding, { ...binding, ingress_endpoint: "connect.ngrok-endpoints.com:443" });
  assert.equal(updated.body.description, "x");
});

Deno.test("a known CSR gets its certificate again, a new CSR a new one, and nothing else changes", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud, { selectors: ["true", "false"] });
  const patch = async (csr: string) => {
    const { body } = await operator.call("PATCH", { binding: { csr } });
    assert.deepEqual(body.binding.endpoint_selectors, ["true", "false"]);
    return body.binding.cert.cert;
  };
  const fresh = await makeCsr();
  assert.equal(await patch(operator.csr), operator.cert);
  const renewed = await patch(fresh.csr);
  assert.notEqual(renewed, operator.cert);
  assert.equal(await patch(operator.csr), operator.cert);
});

Deno.test("CSRs with a bad signature, a common name, RSA or garbage are refused with 19001", async () => {
  await using cloud = await SimulatedCloud.start();
  const send = async (csr: string) => {
    const body = { enabled_features: ["bindings"], binding: { csr } };
    const answer = await callApi(cloud, `POST ${OPERATORS}`, { body });
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

Deno.test("invalid operators are refused with their codes", async () => {
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
    const answer = await callApi(cloud, `POST ${OPERATORS}`, { body });
    assert.deepEqual([answer.status, answer.body.error_code], [400, code], JSON.stringify(body));
  }
  cloud.setAccount({ bindingsEnabled: false });
  const answer = await callApi(cloud, `POST ${OPERATORS}`, { body: { enabled_features: ["bindings"] } });
  assert.deepEqual([answer.status, answer.body.error_code], [400, "ERR_NGROK_19002"]);
  assert.deepEqual(cloud.operators(), []);
});

Deno.test("a second operator of a deployment conflicts, one without a deployment does not", async () => {
  await using cloud = await SimulatedCloud.start();
  const create = async (body: unknown) => (await callApi(cloud, `POST ${OPERATORS}`, { body })).status;
  assert.equal(await create({ deployment: { name: "a", namespace: "b" } }), 201);
  assert.equal(await create({ deployment: { name: "a", namespace: "b" } }), 409);
  assert.equal(await create({ deployment: { name: "a", namespace: "c" } }), 201);
  assert.equal(await create({}), 201);
  assert.equal(await create({}), 201);
});

Deno.test("GET /kubernetes_operators lists newest first, by limit and before_id, with absolute links", async () => {
  await using cloud = await SimulatedCloud.start();
  const ids: string[] = [];
  for (let count = 0; count < 5; count++) ids.unshift((await register(cloud)).id);
  const [newest, ...older] = ids;
  const base = cloud.apiUrl + OPERATORS;
  const get = async (query: string) => {
    const { status, body } = await callApi(cloud, `GET ${OPERATORS + query}`);
    assert.deepEqual([status, Object.keys(body)], [200, ["operators", "uri", "next_page_uri"]]);
    assert.equal(body.uri, base);
    return [body.operators.map(({ id }: { id: string }) => id), body.next_page_uri];
  };
  assert.deepEqual(await get(""), [ids, null]);
  assert.deepEqual(await get("?limit=2"), [ids.slice(0, 2), `${base}?limit=2&before_id=${ids[1]}`]);
  assert.deepEqual(await get(`?limit=2&before_id=${ids[1]}`), [
    ids.slice(2, 4),
    `${base}?limit=2&before_id=${ids[3]}`,
  ]);
  assert.deepEqual(await get(`?limit=2&before_id=${ids[3]}`), [ids.slice(4), null]);
  cloud.deleteOperator(newest!);
  assert.deepEqual(await get(""), [older, null]);
  for (const id of older) cloud.deleteOperator(id);
  assert.deepEqual(await get("?limit=2"), [[], null]);
});

Deno.test("a PATCH of a binding without a CSR changes the selectors, unless the switch refuses it", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  const binding = { endpoint_selectors: ["false"] };
  for (const [status, code] of [[400, "ERR_NGROK_19001"], [405, undefined]] as const) {
    cloud.switches.bindingWithoutCsr = status;
    const answer = await operator.call("PATCH", { binding });
    assert.deepEqual([answer.status, answer.body.status_code, answer.body.error_code], [
      status,
      status,
      code,
    ]);
    assert.equal((await operator.call("PATCH", { description: "x" })).status, 200);
    assert.equal((await operator.call("PATCH", { binding: { csr: operator.csr } })).status, 200);
    assert.deepEqual(cloud.operators()[0]!.selectors, ["true"]);
  }
  cloud.switches.bindingWithoutCsr = "accept";
  const answer = await operator.call("PATCH", { binding });
  assert.deepEqual([answer.status, answer.body.binding.endpoint_selectors], [200, ["false"]]);
  // A fault can apply to the GET that a client sends before it changes the selectors.
  cloud.faults.set({ kind: "error", status: 503, route: "operators.get", times: 1 });
  assert.equal((await operator.call("GET")).status, 503);
  assert.deepEqual((await operator.call("GET")).body.binding.endpoint_selectors, ["false"]);
});

Deno.test("a deleted operator is not found by any call", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  const deleted = await operator.call("DELETE");
  assert.deepEqual([deleted.status, deleted.text], [204, ""]);
  for (const call of ["GET", "PATCH", "DELETE", "GET /bound_endpoints"]) {
    const { status } = await operator.call(call, call === "PATCH" ? {} : undefined);
    assert.equal(status, 404, call);
  }
  assert.deepEqual((await callApi(cloud, `GET ${OPERATORS}`)).body.operators, []);
  assert.equal(cloud.operators()[0]?.deleted, true);
});
