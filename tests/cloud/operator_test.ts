import assert from "node:assert/strict";
import { deleteOperator, getOperator, registerOperator, updateOperator } from "../../src/cloud/operator.ts";
import { ApiError } from "../../src/model/errors.ts";
import { FakeApi, json } from "../fakes/fake_api.ts";

const CERT = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const CSR = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
const MARKER = "8f2b1c";

function operator(cert: string): Record<string, unknown> {
  return {
    id: "k8sop_1",
    region: "global",
    future: { field: 1 },
    binding: {
      endpoint_selectors: null,
      cert: { cert, not_before: "0001-01-01T00:00:00Z", not_after: "0001-01-01T00:00:00Z" },
      ingress_endpoint: "connect.ngrok-endpoints.com:443",
    },
  };
}

Deno.test("registerOperator() sends the fields that the cloud expects and reads its answer", async () => {
  for (const status of [200, 201]) {
    await using api = new FakeApi(() => json(operator(CERT), { status }));
    const made = await registerOperator(api.client(), {
      csr: CSR,
      selectors: ["true", "false"],
      marker: MARKER,
    });
    assert.deepEqual(made, {
      id: "k8sop_1",
      certificate: CERT,
      selectors: [],
      ingressEndpoint: "connect.ngrok-endpoints.com:443",
    });
    const [seen] = api.seen;
    assert.deepEqual([seen!.method, seen!.path], ["POST", "/kubernetes_operators"]);
    assert.deepEqual(JSON.parse(seen!.body), {
      description: "ngrokd daemon",
      metadata: '{"type":"forward-proxy","mark":"8f2b1c"}',
      enabled_features: ["bindings"],
      region: "global",
      binding: { endpoint_selectors: ["true", "false"], csr: CSR },
    });
  }
});

Deno.test("registerOperator() without a certificate fails and leaves no operator behind", async () => {
  const answers = [operator(""), operator("\n"), { id: "k8sop_1", binding: null }, { id: "k8sop_1" }, {
    id: "k8sop_1",
    binding: { cert: null },
  }];
  for (const answer of answers) {
    await using api = new FakeApi(({ method }) =>
      method === "POST" ? json(answer, { status: 201 }) : new Response(null, { status: 204 })
    );
    await assert.rejects(
      registerOperator(api.client(), { csr: CSR, selectors: ["true"], marker: MARKER }),
      (error) => error instanceof ApiError && error.code === "no_certificate" && error.hint !== undefined,
    );
    assert.deepEqual(api.seen.map(({ method, path }) => `${method} ${path}`), [
      "POST /kubernetes_operators",
      "DELETE /kubernetes_operators/k8sop_1",
    ]);
  }
});

Deno.test("registerOperator() reports a missing certificate also if it cannot remove the operator", async () => {
  await using api = new FakeApi(({ method }) =>
    method === "POST" ? json(operator("")) : json({}, { status: 500 })
  );
  await assert.rejects(registerOperator(api.client(), { csr: CSR, selectors: [], marker: MARKER }), {
    code: "no_certificate",
  });
});

Deno.test("getOperator() rejects an answer that is not an operator as malformed", async () => {
  for (
    const answer of [null, [], "x", {}, { id: "" }, { id: 7 }, { id: "../x" }, { id: ".." }, {
      id: "a".repeat(129),
    }]
  ) {
    await using api = new FakeApi(() => json(answer));
    await assert.rejects(getOperator(api.client(), "k8sop_1"), { code: "malformed" }, JSON.stringify(answer));
  }
});

Deno.test("getOperator() takes parts of another type for absent", async () => {
  await using api = new FakeApi(() =>
    json({ id: "k8sop_1", binding: { cert: { cert: CERT }, endpoint_selectors: [7], ingress_endpoint: [] } })
  );
  assert.deepEqual(await getOperator(api.client(), "k8sop_1"), {
    id: "k8sop_1",
    certificate: CERT,
    selectors: [],
  });
  assert.deepEqual([api.seen[0]!.method, api.seen[0]!.path], ["GET", "/kubernetes_operators/k8sop_1"]);
});

Deno.test("getOperator() reads an operator without a certificate, and its selectors", async () => {
  const { binding, ...rest } = operator("");
  const answer = { ...rest, binding: { ...Object(binding), endpoint_selectors: ["a", "b"] } };
  await using api = new FakeApi(() => json(answer));
  const { certificate, selectors } = await getOperator(api.client(), "k8sop_1");
  assert.deepEqual([certificate, selectors], ["", ["a", "b"]]);
});

Deno.test("updateOperator() sends only what changes", async () => {
  await using api = new FakeApi(() => json(operator(CERT)));
  await updateOperator(api.client(), "k8sop_1", { csr: CSR });
  await updateOperator(api.client(), "k8sop_1", { selectors: ["false"] });
  await updateOperator(api.client(), "k8sop_1", { csr: CSR, selectors: ["false"] });
  assert.deepEqual(api.seen.map(({ method, path, body }) => [method, path, JSON.parse(body)]), [
    ["PATCH", "/kubernetes_operators/k8sop_1", { binding: { csr: CSR } }],
    ["PATCH", "/kubernetes_operators/k8sop_1", { binding: { endpoint_selectors: ["false"] } }],
    ["PATCH", "/kubernetes_operators/k8sop_1", { binding: { endpoint_selectors: ["false"], csr: CSR } }],
  ]);
});

Deno.test("updateOperator() needs a certificate back only for a CSR", async () => {
  await using api = new FakeApi(() => json(operator("")));
  assert.equal((await updateOperator(api.client(), "k8sop_1", { selectors: ["true"] })).certificate, "");
  await assert.rejects(updateOperator(api.client(), "k8sop_1", { csr: CSR }), { code: "no_certificate" });
  assert(api.seen.every(({ method }) => method === "PATCH"));
});

Deno.test("getOperator() and updateOperator() reject if it is gone, deleteOperator() does not", async () => {
  await using api = new FakeApi(() => json({ status_code: 404, msg: "Resource not found" }, { status: 404 }));
  await assert.rejects(getOperator(api.client(), "k8sop_1"), { status: 404 });
  await assert.rejects(updateOperator(api.client(), "k8sop_1", { csr: CSR }), { status: 404 });
  await deleteOperator(api.client(), "k8sop_1");
  assert.equal(api.seen.at(-1)!.method, "DELETE");
});

Deno.test("deleteOperator() rejects with every other failure", async () => {
  await using api = new FakeApi(() => json({}, { status: 403 }));
  await assert.rejects(deleteOperator(api.client(), "k8sop_1"), { status: 403 });
});

// A portal's 404 passed for an operator that is gone.
Deno.test("deleteOperator() accepts a 404 of the API only", async () => {
  await using portal = new FakeApi(() => new Response("<html>Not Found</html>", { status: 404 }));
  await assert.rejects(deleteOperator(portal.client(), "k8sop_1"), { status: 404, code: "malformed" });
  const body = { error_code: "ERR_NGROK_227", status_code: 404, msg: "No such prefix" };
  await using api = new FakeApi(() => json(body, { status: 404 }));
  await assert.rejects(deleteOperator(api.client(), "k8sop_1"), { status: 404, code: "ERR_NGROK_227" });
});

Deno.test("getOperator() and deleteOperator() send no id that leads to another resource", async () => {
  await using api = new FakeApi(() => json({}));
  for (const id of ["", ".", "..", "a/b", "a?b", "a%2fb", "a\n"]) {
    await assert.rejects(getOperator(api.client(), id), RangeError);
    await assert.rejects(deleteOperator(api.client(), id), RangeError);
  }
  assert.equal(api.seen.length, 0);
});
