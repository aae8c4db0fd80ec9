import assert from "node:assert/strict";
import { FileError } from "../../src/model/errors.ts";
import { fakeAccount, type FakeDisk, fakePair } from "../fakes/fake_account.ts";
import { type Answer, failed, FakeCloud, NOT_FOUND } from "./fake_cloud.ts";

const NEVER = new AbortController().signal;

/** A loaded account with the operator `k8sop_1`, which the cloud has too. */
async function registered(disk: FakeDisk = { id: "k8sop_1", pair: fakePair() }) {
  const cloud = new FakeCloud();
  cloud.operators.set("k8sop_1", { metadata: "", selectors: ["true"] });
  const account = fakeAccount({ send: cloud.send, disk });
  await account.load();
  return { account, cloud, disk };
}

Deno.test("Account forgets its operator at the API's own 404, and not at another program's (F42)", async () => {
  for (
    const [body, gone] of [[NOT_FOUND.body, true], ["<html>Not Found</html>", false], ["", false]] as const
  ) {
    const { account, cloud, disk } = await registered();
    cloud.operators.clear();
    cloud.intercept = (method, path) =>
      method === "GET" && path === "/kubernetes_operators" ? undefined : { status: 404, body };
    await assert.rejects(account.discover(NEVER), { status: 404 });
    assert.deepEqual([account.operatorId, disk.id], Array(2).fill(gone ? undefined : "k8sop_1"), body);
  }
});

// It asked with half an id for ever.
Deno.test("Account forgets an id that the API does not take for one (F15)", async () => {
  for (const [code, gone] of [["ERR_NGROK_227", true], ["ERR_NGROK_226", false]] as const) {
    const { account, cloud, disk } = await registered();
    cloud.intercept = () => failed(400, code);
    await assert.rejects(account.discover(NEVER), { status: 400 });
    assert.deepEqual([account.operatorId, disk.id], Array(2).fill(gone ? undefined : "k8sop_1"), code);
  }
});

Deno.test("Account reports problems of its files until a new certificate has replaced them", async () => {
  const problem = new FileError("Cannot use tls.crt", { path: "tls.crt", reason: "other" });
  const { account } = await registered({ id: "k8sop_1", problems: [problem] });
  assert.deepEqual(account.problems, ["Cannot use tls.crt"]);
  await account.discover(NEVER);
  assert.deepEqual(account.problems, []);
});

Deno.test("Account.discover() raises the revision only when the list differs from the last one", async () => {
  const { account, cloud } = await registered();
  const list = (...names: string[]) => names.map((name) => ({ id: `ep_${name}`, url: `http://${name}.t` }));
  cloud.endpoints = list("a", "b");
  const first = await account.discover(NEVER);
  const second = await account.discover(NEVER);
  let { revision } = first!;
  assert.deepEqual([revision, second!.revision], [1, 1]);
  for (const other of [list("b"), list("b", "a"), list("b", "a", "c"), []]) {
    cloud.endpoints = other;
    const found = await account.discover(NEVER);
    assert.deepEqual(found!.endpoints.map(({ id, url }) => ({ id, url })), other);
    assert.equal(found!.revision, ++revision);
  }
  // The endpoints stay the same while the refused entries, their URLs or their reasons change.
  for (
    const entries of [
      [{ id: "ep_x", url: "ftp://x.t" }],
      [{ id: "ep_x", url: "ftp://y.t" }],
      [{ id: "ep_y", url: "ftp://y.t" }],
      [{ id: "ep_y", url: "ftp://y.t" }, { id: "ep_x", url: "" }],
      [],
    ]
  ) {
    cloud.endpoints = entries;
    for (let poll = 0; poll < 2; poll++) {
      const found = await account.discover(NEVER);
      assert.deepEqual([found!.endpoints, found!.refused.length], [[], entries.length]);
      assert.equal(found!.revision, poll === 0 ? ++revision : revision);
    }
  }
});

// A renewal waited for the end of the list: one of 20 pages at 14 s let a certificate expire.
Deno.test("Account renews while a list takes long (F38)", async () => {
  const { account, cloud } = await registered();
  const list = Promise.withResolvers<Answer>();
  const asked = Promise.withResolvers<void>();
  cloud.intercept = (_method, path) => {
    if (!path.endsWith("/bound_endpoints")) return undefined;
    asked.resolve();
    return list.promise;
  };
  const polling = account.discover(NEVER);
  await asked.promise;
  assert.equal((await account.renew({ force: true, signal: NEVER })).renewed, true);
  list.resolve({ status: 200, body: '{"endpoints":[],"next_page_uri":null}' });
  assert.deepEqual((await polling)?.endpoints, []);
});

Deno.test("Account asks nothing without an API key, and renews nothing before it is registered", async () => {
  const { send, requests } = new FakeCloud();
  const account = fakeAccount({ send, disk: {}, hasKey: () => false });
  await account.load();
  assert.equal(await account.discover(NEVER), undefined);
  await assert.rejects(account.renew({ force: true, signal: NEVER }), {
    name: "RangeError",
    message: "daemon not registered - set API key first",
  });
  assert.deepEqual(requests, []);
});
