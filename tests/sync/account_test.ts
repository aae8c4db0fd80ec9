import assert from "node:assert/strict";
import { ApiClient } from "../../src/cloud/client.ts";
import { FileError } from "../../src/model/errors.ts";
import { Account } from "../../src/sync/account.ts";
import type { Pair } from "../../src/identity/store.ts";

const PAIR = { cert: "c", key: "k", info: {} } as unknown as Pair;
const NEVER = new AbortController().signal;

function accountWith(answer: () => { status: number; body: string }, pair?: Pair) {
  const forgotten: string[] = [];
  const account = new Account({
    client: new ApiClient({
      baseUrl: () => "https://api.example.com",
      key: () => "2abcdefghijklmnopqrstuvwxyz_5ecretSecretSecret123",
      userAgent: "t",
      send: () => Promise.resolve({ headers: new Headers(), ...answer() }),
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

Deno.test("Account forgets its operator at the API's own 404, and not at the 404 of something else on the way", async () => {
  for (
    const [body, gone] of [
      ['{"status_code":404,"msg":"Resource not found","details":{}}', true],
      ["<html>Not Found</html>", false],
      ["", false],
    ] as const
  ) {
    const { account, forgotten } = accountWith(() => ({ status: 404, body }), PAIR);
    await account.load();
    await assert.rejects(account.discover(NEVER), { status: 404 });
    assert.deepEqual(
      [account.operatorId, forgotten],
      gone ? [undefined, ["k8sop_1"]] : ["k8sop_1", []],
      body,
    );
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
