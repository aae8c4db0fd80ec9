import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";
import { fakeAccount } from "../fakes/fake_account.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { ApiError } from "../../src/model/errors.ts";
import { type Answer, failed, FakeCloud } from "./fake_cloud.ts";

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

/** An answer, or the code of an error without one; a number of seconds is its Retry-After. */
type Failure = readonly [failure: number | string, code?: string, retryAfter?: number];

const [TOO_MANY, SLOW_DOWN] = [[429, "ERR_NGROK_226"], [503, "", 40]] as const;
/** Failures after which the poll ends. */
const THROWN: Readonly<Record<"GET" | "PATCH", readonly Failure[]>> = {
  GET: [[401], [403], [404], [401, "", 900], [403, "", 900], TOO_MANY, SLOW_DOWN, ["unreachable"], ["proxy"]],
  PATCH: [[401, "", 900], TOO_MANY, [429, "", 40], SLOW_DOWN, ["unreachable"], ["proxy"]],
};
/** Failures after which the endpoints are listed all the same. */
const WARNED: typeof THROWN = {
  GET: [[400], [404, "html"], [403, "html"], [405], [500], ["timeout"]],
  PATCH: [
    [400, "ERR_NGROK_19003"],
    [400, "ERR_NGROK_227"],
    [401],
    [403],
    [404],
    [405],
    [500],
    ["timeout"],
  ],
};

function fail([failure, code, retryAfter]: Failure): Answer | Promise<Answer> {
  if (typeof failure === "string") {
    return Promise.reject(new ApiError("Cannot reach it", { status: 0, code: failure }));
  }
  const answer = code === "html" ? { status: failure, body: "<html>" } : failed(failure, code);
  const headers = new Headers(retryAfter === undefined ? {} : { "Retry-After": `${retryAfter}` });
  return { ...answer, headers };
}

function labelOf([failure, code, retryAfter]: Failure): string {
  return [failure, code, retryAfter && `Retry-After: ${retryAfter}`].filter(Boolean).join(" ");
}

for (const request of ["GET", "PATCH"] as const) {
  const sent = request === "GET" ? [`GET ${OPERATOR}`] : [`GET ${OPERATOR}`, `PATCH ${OPERATOR}`];
  const isRequest = (method: string, path: string) => method === request && path === OPERATOR;

  for (const failure of THROWN[request]) {
    const [status, , retryAfter] = failure;
    Deno.test(`Account.discover() ends at ${labelOf(failure)} to ${request} of the operator (F37)`, async () => {
      using _clock = fakeClock();
      const { account, cloud } = await start(["true"], ["a"]);
      cloud.intercept = (method, path) => isRequest(method, path) ? fail(failure) : undefined;
      const isGone = status === 404;
      for (let poll = 0; poll < 2; poll++) {
        cloud.requests.length = 0;
        await assert.rejects(account.discover(NEVER), (error) => {
          assert.ok(error instanceof ApiError);
          assert.equal(error.status || error.code, status);
          assert.equal(error.retryAfterMs, retryAfter && retryAfter * 1000);
          return true;
        });
        assert.deepEqual(cloud.requests, isGone ? [...sent, "GET /kubernetes_operators"] : sent);
        assert.deepEqual(account.warnings, []);
      }
    });
  }

  // A new daemon had no endpoints for ever.
  for (const failure of WARNED[request]) {
    Deno.test(`Account lists despite ${labelOf(failure)} to ${request} of the operator, and retries`, async () => {
      using clock = fakeClock();
      await using log = await captureLog();
      const { account, cloud } = await start(["true"], ["a"]);
      cloud.intercept = (method, path) => isRequest(method, path) ? fail(failure) : undefined;
      for (let poll = 0; poll < 3; poll++) {
        assert.deepEqual((await account.discover(NEVER))!.endpoints.map(({ id }) => id), ["ep_1"]);
      }
      assert.deepEqual(cloud.requests, [...sent, LIST, LIST, LIST], "no try during the pause");
      const warning = account.warnings.join();
      assert.match(warning, /^bound_endpoints\.selectors is not in effect: Cannot /);
      if (typeof failure[0] === "number") assert.match(warning, new RegExp(`answered ${failure[0]}`));
      cloud.requests.length = 0;
      await clock.pass(MINUTE);
      await account.discover(NEVER);
      assert.deepEqual(cloud.requests, [...sent, LIST]);
      assert.equal(log.lines("warning").length, 1, "logged once");
      cloud.intercept = () => undefined;
      await clock.pass(2 * MINUTE);
      await account.discover(NEVER);
      assert.deepEqual([cloud.operators.get("k8sop_1")!.selectors, account.warnings], [["a"], []]);
    });
  }

  Deno.test(`Account registers again if the operator vanishes before ${request} of it`, async () => {
    using _clock = fakeClock();
    const { account, cloud } = await start(["true"], ["a"]);
    cloud.intercept = (method, path) => {
      if (isRequest(method, path)) cloud.operators.delete("k8sop_1");
      return undefined;
    };
    assert.equal((await account.discover(NEVER))!.endpoints.length, 1);
    assert.deepEqual([...cloud.operators.values()].map(({ selectors }) => selectors), [["a"]]);
    assert.deepEqual(account.warnings, []);
  });
}

Deno.test("Account forgets a failure of the selectors when the API key changes", async () => {
  using _clock = fakeClock();
  await using log = await captureLog();
  const { account, cloud } = await start(["true"], ["a"]);
  let isChanged = false;
  cloud.intercept = (method) => {
    if (method !== "PATCH") return undefined;
    // The key changes while the request of the second poll with the old key is on its way.
    if (isChanged) account.keyChanged();
    return failed(403);
  };
  await account.discover(NEVER);
  assert.equal(account.warnings.length, 1);
  isChanged = true;
  account.keyChanged();
  assert.deepEqual(account.warnings, []);
  await account.discover(NEVER);
  assert.deepEqual(account.warnings, []);
  isChanged = false;
  await account.discover(NEVER);
  assert.equal(account.warnings.length, 1);
  assert.equal(log.lines("warning").length, 2);
  assert.equal(cloud.requests.filter((request) => request.startsWith("PATCH")).length, 3);
});

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
  config.selectors = ["wrong"];
  await account.discover(NEVER);
  assert.equal(account.warnings.length, 1);
  cloud.intercept = () => fail(TOO_MANY);
  config.selectors = ["other"];
  await assert.rejects(account.discover(NEVER), { status: 429 });
  assert.deepEqual(account.warnings, [], "that was about other selectors");
});

Deno.test("status warns of selectors that are not in effect until another key is set", async () => {
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
    cloud.faults.clear();
    await machine.request("set-api-key", [cloud.addApiKey()]);
    assert.doesNotMatch((await machine.askStatus()).config.warnings.join(), /selectors/);
  });
});
