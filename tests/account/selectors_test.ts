import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";
import { fakeAccount } from "../fakes/fake_account.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { failed, FakeCloud } from "./fake_cloud.ts";

const NEVER = new AbortController().signal;
const OPERATOR = "/kubernetes_operators/k8sop_1";
const LIST = `GET ${OPERATOR}/bound_endpoints`;
const MINUTE = 60_000;

/** A start with these selectors in the cloud and in the configuration. */
async function start(inCloud: readonly string[] | null, configured: readonly string[]) {
  const cloud = new FakeCloud();
  cloud.operators.set("k8sop_1", { metadata: "", selectors: inCloud as string[] });
  cloud.endpoints = [{ id: "ep_1", url: "http://a.t" }];
  const config = { selectors: configured };
  const account = fakeAccount({ send: cloud.send, selectors: () => config.selectors });
  await account.load();
  return { account, cloud, config };
}

// An update without a CSR, which no other client of the API sends, went out at every start.
Deno.test("Account sends no selectors that the operator has, in any order, and asks once", async () => {
  for (
    const [inCloud, configured] of [
      [["true"], ["true"]],
      [["a", "b"], ["b", "a", "a"]],
      [[], []],
      [null, []],
    ] as const
  ) {
    const { account, cloud } = await start(inCloud, configured);
    await account.discover(NEVER);
    await account.discover(NEVER);
    assert.deepEqual(cloud.requests, [`GET ${OPERATOR}`, LIST, LIST]);
    assert.deepEqual(account.warnings, []);
  }
});

Deno.test("Account sends selectors that differ before it lists, and again when they change", async () => {
  for (const inCloud of [["true"], ["a"], ["a", "b", "c"], [], null]) {
    const { account, cloud, config } = await start(inCloud, ["a", "b"]);
    await account.discover(NEVER);
    assert.deepEqual(cloud.requests, [`GET ${OPERATOR}`, `PATCH ${OPERATOR}`, LIST]);
    assert.equal(cloud.bodies[1], '{"binding":{"endpoint_selectors":["a","b"]}}');
    config.selectors = ["c"];
    await account.discover(NEVER);
    await account.discover(NEVER);
    assert.deepEqual(cloud.requests.slice(3), [`GET ${OPERATOR}`, `PATCH ${OPERATOR}`, LIST, LIST]);
    assert.deepEqual(cloud.operators.get("k8sop_1")!.selectors, ["c"]);
  }
});

Deno.test("Account that has just registered does not ask for its selectors", async () => {
  const cloud = new FakeCloud();
  const account = fakeAccount({ send: cloud.send, disk: {}, selectors: () => ["a"] });
  await account.discover(NEVER);
  assert.deepEqual(cloud.requests, ["POST /kubernetes_operators", LIST]);
  assert.deepEqual(cloud.operators.get("k8sop_1")!.selectors, ["a"]);
});

// A new daemon had no endpoints for ever.
for (const method of ["GET", "PATCH"]) {
  Deno.test(`Account lists endpoints although ${method} of the operator fails, and retries later`, async () => {
    for (const status of [400, 403, 405, 500]) {
      using clock = fakeClock();
      await using log = await captureLog();
      const { account, cloud } = await start(["true"], ["a"]);
      cloud.intercept = (...request) =>
        request[0] === method && request[1] === OPERATOR ? failed(status) : undefined;
      for (let poll = 0; poll < 3; poll++) {
        assert.deepEqual((await account.discover(NEVER))!.endpoints.map(({ id }) => id), ["ep_1"]);
      }
      const asked = () => cloud.requests.filter((request) => request === `${method} ${OPERATOR}`).length;
      assert.equal(asked(), 1, "no try during the pause");
      const [warning] = account.warnings;
      assert.match(
        warning!,
        new RegExp(`^bound_endpoints\\.selectors is not in effect: .* answered ${status}`),
      );
      await clock.pass(MINUTE);
      await account.discover(NEVER);
      assert.equal(asked(), 2);
      assert.equal(log.lines("warning").length, 1, "logged once");
      cloud.intercept = () => undefined;
      await clock.pass(2 * MINUTE);
      await account.discover(NEVER);
      assert.deepEqual([cloud.operators.get("k8sop_1")!.selectors, account.warnings], [["a"], []]);
    }
  });

  Deno.test(`Account registers again if ${method} of the operator says that it is gone`, async () => {
    using _clock = fakeClock();
    const { account, cloud } = await start(["true"], ["a"]);
    cloud.intercept = (...request) => {
      if (request[0] === method && request[1] === OPERATOR) cloud.operators.delete("k8sop_1");
      return undefined;
    };
    assert.equal((await account.discover(NEVER))!.endpoints.length, 1);
    assert.deepEqual([...cloud.operators.values()].map(({ selectors }) => selectors), [["a"]]);
    assert.deepEqual(account.warnings, []);
  });

  Deno.test(`Account does not list if ${method} of the operator asks to be left alone (F37)`, async () => {
    const { account, cloud } = await start(["true"], ["a"]);
    cloud.intercept = (...request) => request[0] === method ? failed(429) : undefined;
    await assert.rejects(account.discover(NEVER), { status: 429 });
    assert.equal(cloud.requests.at(-1), `${method} ${OPERATOR}`);
    assert.deepEqual(account.warnings, []);
  });
}

Deno.test("Account tries changed selectors at once, whatever pause there is", async () => {
  using _clock = fakeClock();
  const { account, cloud, config } = await start(["true"], ["wrong"]);
  cloud.intercept = (method, _path, { body = "" }) =>
    method === "PATCH" && body.includes("wrong") ? failed(400, "ERR_NGROK_19003") : undefined;
  await account.discover(NEVER);
  assert.match(account.warnings[0]!, /\(Correct bound_endpoints\.selectors in the configuration\)$/);
  for (const selectors of [["right"], ["wrong"], ["right"]]) {
    config.selectors = selectors;
    await account.discover(NEVER);
    assert.deepEqual(cloud.operators.get("k8sop_1")!.selectors, ["right"]);
    assert.equal(account.warnings.length, selectors[0] === "right" ? 0 : 1);
  }
});

Deno.test("status warns of selectors that are not in effect, and the endpoints are served", async () => {
  await using machine = await FakeMachine.create();
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8366", backend: "http" });
  await withDaemon(machine, () => {});
  cloud.faults.set({ kind: "error", status: 405, route: "operators.get" });
  await withDaemon(machine, async () => {
    await machine.until("it is served", async () => (await machine.askStatus()).active_count === 1);
    const { api, config } = await machine.askStatus();
    assert.equal(api.state, "ok");
    assert.match(
      config.warnings.join("\n"),
      /^bound_endpoints\.selectors is not in effect: .* answered 405/m,
    );
  });
});
