import assert from "node:assert/strict";
import { ApiClient } from "../../src/cloud/client.ts";
import type { Pair } from "../../src/identity/store.ts";
import { Account } from "../../src/account/account.ts";

const OPERATOR = JSON.stringify({ id: "k8sop_1", binding: { cert: { cert: "c" } } });
const LIST = '{"endpoints":[],"next_page_uri":null}';

Deno.test("Account renews while a list drips or goes on for 200 pages (a renewal waited for its end) (F38)", async () => {
  const info = { serial: "1", notBefore: 0, notAfter: 1 };
  const pair = { cert: "c", key: "k", info } as unknown as Pair;
  const listAsked = Promise.withResolvers<void>();
  const listEnds = Promise.withResolvers<void>();
  const { signal } = new AbortController();
  const account = new Account({
    client: new ApiClient({
      baseUrl: () => "https://api.example.com",
      key: () => "key_secret",
      userAgent: "t",
      async send({ url }) {
        const isList = url.endsWith("/bound_endpoints");
        if (isList) {
          listAsked.resolve();
          await listEnds.promise;
        }
        return { status: 200, headers: new Headers(), body: isList ? LIST : OPERATOR };
      },
    }),
    store: {
      load: () => Promise.resolve({ operatorId: "k8sop_1", pair, problems: [] }),
      savePair: () => Promise.resolve(pair),
      saveOperatorId: () => Promise.resolve(),
      forgetOperatorId: () => Promise.resolve(),
    },
    createRequest: () => Promise.resolve({ key: "k", csr: "r" }),
    hasKey: () => true,
    selectors: () => ["true"],
  });
  await account.load();
  const polling = account.discover(signal);
  await listAsked.promise;
  assert.equal((await account.renew({ force: true, signal })).renewed, true);
  listEnds.resolve();
  assert.equal((await polling)?.pages, 1);
});
