import assert from "node:assert/strict";
import type { Account } from "../../src/account/account.ts";
import { ApiError } from "../../src/model/errors.ts";
import type { HttpRequest } from "../../src/system/http.ts";
import { fakeAccount, type FakeDisk } from "../fakes/fake_account.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { type Answer, FakeCloud, NOT_FOUND } from "./fake_cloud.ts";

const NEVER = new AbortController().signal;
const MINUTE = 60_000;

/** A process that starts with what is on the disk. */
async function start({ send }: FakeCloud, disk: FakeDisk): Promise<Account> {
  const account = fakeAccount({ send, disk });
  await account.load();
  return account;
}

/** A machine that has registered with a cloud. */
async function registered() {
  const cloud = new FakeCloud();
  const disk: FakeDisk = {};
  const account = await start(cloud, disk);
  await account.discover(NEVER);
  return { cloud, disk, account };
}

// Before the fix, nobody searched for the late operator, and two stayed.
Deno.test("Account removes the operator of an interrupted registration that arrives late (R39)", async () => {
  using clock = fakeClock();
  const [cloud, disk] = [new FakeCloud(), {} as FakeDisk];
  let late: HttpRequest | undefined;
  cloud.intercept = (method, _path, request) => {
    if (method !== "POST" || late !== undefined) return undefined;
    late = request;
    return Promise.reject(new ApiError("Cannot reach it: killed", { status: 0, code: "unreachable" }));
  };
  const killed = await start(cloud, disk);
  await assert.rejects(killed.discover(NEVER), { code: "unreachable" });
  const account = await start(cloud, disk);
  await account.discover(NEVER);
  cloud.answer(late!);
  assert.equal(cloud.operators.size, 2);
  await clock.pass(MINUTE);
  await account.discover(NEVER);
  assert.equal(cloud.operators.size, 2, "it may still be on its way");
  await clock.pass(2 * MINUTE);
  await account.discover(NEVER);
  assert.deepEqual([...cloud.operators.keys()], [account.operatorId]);
  assert.deepEqual([disk.id, disk.marker], [account.operatorId, undefined]);
});

Deno.test("Account killed after it saved the id gets a certificate at the next start", async () => {
  using clock = fakeClock();
  const { cloud, disk, account: first } = await registered();
  const ofFirst = disk.pair;
  cloud.operators.delete(first.operatorId!);
  const second = await start(cloud, disk);
  await second.discover(NEVER);
  disk.pair = ofFirst;
  disk.marker = JSON.parse(cloud.operators.get(second.operatorId!)!.metadata).mark;
  const third = await start(cloud, disk);
  await third.discover(NEVER);
  assert.equal(third.pair?.cert, `of ${second.operatorId}`);
  assert.equal(disk.pair?.cert, `of ${second.operatorId}`);
  await clock.pass(3 * MINUTE);
  await third.discover(NEVER);
  assert.equal(disk.marker, undefined);
  assert.equal(cloud.requests.filter((request) => request.startsWith("POST")).length, 2);
});

Deno.test("Account replaces an operator that is gone in the same poll, and the next one after a pause (F42)", async () => {
  using clock = fakeClock();
  const { cloud, disk, account } = await registered();
  cloud.operators.clear();
  await account.discover(NEVER);
  assert.deepEqual([...cloud.operators.keys()], [account.operatorId]);
  assert.equal(disk.pair?.cert, `of ${account.operatorId}`);
  // From now on operators vanish as soon as they are created.
  cloud.intercept = (_method, path) => path.endsWith("/bound_endpoints") ? NOT_FOUND : undefined;
  cloud.operators.clear();
  const created = () => cloud.requests.filter((request) => request.startsWith("POST")).length;
  const before = created();
  await assert.rejects(account.discover(NEVER), { status: 404 });
  cloud.operators.clear();
  await assert.rejects(account.discover(NEVER), { code: "operator_lost" });
  await assert.rejects(account.discover(NEVER), { code: "operator_lost" });
  assert.equal(created(), before + 1);
  await clock.pass(MINUTE);
  await assert.rejects(account.discover(NEVER), { status: 404 });
  assert.equal(created(), before + 2);
});

/** A list of operators that repeats, so that it proves nothing about an operator. */
const LOOP: Answer = {
  status: 200,
  body: JSON.stringify({ operators: [{ id: "k8sop_of_others" }], next_page_uri: "?page=1" }),
};

// Before the fix, a gateway's 404 made a second operator.
Deno.test("Account keeps an operator that is listed, or whose list cannot be read, despite a 404 (F42)", async () => {
  for (const operatorList of [undefined, NOT_FOUND, LOOP]) {
    const { cloud, disk, account } = await registered();
    const { operatorId } = account;
    cloud.intercept = (method, path) => {
      if (path.endsWith("/bound_endpoints")) return NOT_FOUND;
      return method === "GET" ? operatorList : undefined;
    };
    for (let time = 0; time < 3; time++) await assert.rejects(account.discover(NEVER), { status: 404 });
    cloud.intercept = () => undefined;
    await account.discover(NEVER);
    assert.deepEqual([account.operatorId, disk.id], [operatorId, operatorId]);
    assert.deepEqual([...cloud.operators.keys()], [operatorId]);
  }
});

Deno.test("Account believes a 404 if the account has more operators than are listed (F42)", async () => {
  using _clock = fakeClock();
  const { cloud, account } = await registered();
  cloud.operators.clear();
  let page = 0;
  cloud.intercept = (method, path) => {
    if (method !== "GET" || path !== "/kubernetes_operators") return undefined;
    const operators = [{ id: `k8sop_of_others_${++page}` }];
    return { status: 200, body: JSON.stringify({ operators, next_page_uri: `?page=${page}` }) };
  };
  await account.discover(NEVER);
  assert.deepEqual([...cloud.operators.keys()], [account.operatorId]);
});

// Before the fix, it was tried for ever.
Deno.test("Account gives up an operator that has its marker but does not exist, after one try", async () => {
  using _clock = fakeClock();
  const cloud = new FakeCloud();
  const marker = crypto.randomUUID();
  cloud.operators.set("k8sop_ghost", { metadata: JSON.stringify({ mark: marker }), selectors: [] });
  cloud.intercept = (_method, path) => path.endsWith("/k8sop_ghost") ? NOT_FOUND : undefined;
  const account = await start(cloud, { marker });
  await assert.rejects(account.discover(NEVER), { status: 404 });
  await account.discover(NEVER);
  assert.equal(account.operatorId, "k8sop_1");
});
