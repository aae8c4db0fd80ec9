import assert from "node:assert/strict";
import { ApiClient } from "../../src/cloud/client.ts";
import { FileError } from "../../src/model/errors.ts";
import { Account } from "../../src/account/account.ts";
import type { Pair } from "../../src/identity/store.ts";
import type { HttpRequest } from "../../src/system/http.ts";

const PAIR = { cert: "c", key: "k", info: {} } as unknown as Pair;
const NEVER = new AbortController().signal;

function accountWith(answer: (request: HttpRequest) => { status: number; body: string }, pair?: Pair) {
  const forgotten: string[] = [];
  const account = new Account({
    client: new ApiClient({
      baseUrl: () => "https://api.example.com",
      key: () => "2abcdefghijklmnopqrstuvwxyz_5ecretSecretSecret123",
      userAgent: "t",
      send: (request) => Promise.resolve({ headers: new Headers(), ...answer(request) }),
    }),
    store: {
      load: () =>
        Promise.resolve({
          operatorId: "k8sop_1",
          pair,
          problems: [new FileError("Cannot use tls.crt", { path: "tls.crt", reason: "other" })],
        }),
      savePair: () => Promise.resolve(PAIR),
      saveOperatorId: () => Promise.resolve(),
      forgetOperatorId: () => Promise.resolve(void forgotten.push("k8sop_1")),
    },
    createRequest: () => Promise.resolve({ key: "k", csr: "r" }),
    hasKey: () => true,
    selectors: () => ["true"],
  });
  return { account, forgotten };
}

Deno.test("Account forgets its operator at the API's own 404, and not at the 404 of something else on the way (F42)", async () => {
  for (
    const [body, gone] of [
      ['{"status_code":404,"msg":"Resource not found","details":{}}', true],
      ["<html>Not Found</html>", false],
      ["", false],
    ] as const
  ) {
    const operators = JSON.stringify({ operators: [], next_page_uri: null });
    const { account, forgotten } = accountWith(
      ({ method, url }) =>
        method === "GET" && new URL(url).pathname === "/kubernetes_operators"
          ? { status: 200, body: operators }
          : { status: 404, body },
      PAIR,
    );
    await account.load();
    await assert.rejects(account.discover(NEVER), { status: 404 });
    assert.deepEqual(
      [account.operatorId, forgotten],
      gone ? [undefined, ["k8sop_1"]] : ["k8sop_1", []],
      body,
    );
  }
});

Deno.test("Account forgets an id that the API takes for none (it asked with half an id for ever) (F15)", async () => {
  for (const [error_code, gone] of [["ERR_NGROK_227", true], ["ERR_NGROK_226", false]] as const) {
    const body = JSON.stringify({ error_code, status_code: 400, msg: "x", details: {} });
    const { account, forgotten } = accountWith(() => ({ status: 400, body }), PAIR);
    await account.load();
    await assert.rejects(account.discover(NEVER), { status: 400 });
    assert.deepEqual([account.operatorId, forgotten], gone ? [undefined, ["k8sop_1"]] : ["k8sop_1", []]);
  }
});

Deno.test("Account says what was wrong with the files until a new certificate has mended it", async () => {
  const operator = { id: "k8sop_1", binding: { cert: { cert: "c" } } };
  const { account } = accountWith(() => ({
    status: 200,
    body: JSON.stringify({ ...operator, endpoints: [] }),
  }));
  await account.load();
  assert.deepEqual(account.problems, ["Cannot use tls.crt"]);
  await account.discover(NEVER);
  assert.deepEqual(account.problems, []);
});

Deno.test("Account gives the very list of last time when nothing has changed, and another when something has", async () => {
  let urls = ["http://a.t", "http://b.t"];
  const { account } = accountWith(() => ({
    status: 200,
    body: JSON.stringify({
      id: "k8sop_1",
      binding: { cert: { cert: "c" } },
      endpoints: urls.map((url) => ({ id: `ep_${url}`, url })),
    }),
  }), PAIR);
  await account.load();
  const first = await account.discover(NEVER);
  const second = await account.discover(NEVER);
  assert.equal(second!.endpoints, first!.endpoints);
  for (
    const other of [
      ["http://b.t"],
      ["http://b.t", "http://a.t"],
      ["http://b.t", "http://a.t", "http://c.t"],
      [],
    ]
  ) {
    urls = other;
    const found = await account.discover(NEVER);
    assert.deepEqual(found!.endpoints.map(({ url }) => url), other);
  }
});
