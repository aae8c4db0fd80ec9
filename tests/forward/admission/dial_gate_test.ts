import assert from "node:assert/strict";
import { DialGate, type GatedDial } from "../../../src/forward/admission/dial_gate.ts";
import { DialError, type DialFailure } from "../../../src/model/errors.ts";
import type { ByteStream } from "../../../src/system/byte_stream.ts";
import { sleep } from "../../../src/system/clock.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { fakeClock } from "../../fakes/fake_clock.ts";
import { memoryPair } from "../../fakes/memory_stream.ts";

const TARGET = "ingress.test:443";

interface State {
  ingress: "silent" | "fine" | DialFailure;
}

/** A gate before an ingress in this state. */
function before(state: State) {
  const gate = new DialGate(5000);
  const dials: GatedDial[] = [];
  async function dial(gated: GatedDial): Promise<ByteStream> {
    dials.push(gated);
    const { ingress } = state;
    if (ingress === "fine") return memoryPair().near;
    if (ingress !== "silent") throw new DialError("Cannot connect: failed", { code: ingress });
    await sleep(gated.timeoutMs);
    throw new DialError("Cannot connect: no answer", { code: "timeout" });
  }
  const pass = (options: { target?: string; signal?: AbortSignal; timeoutMs?: number } = {}) => {
    const { target = TARGET, signal = new AbortController().signal, timeoutMs = 10_000 } = options;
    return gate.pass(target, { timeoutMs, signal, dial }).then(
      () => "ok",
      (error: DialError) => {
        assert.equal(
          error.isLocal,
          / has not answered for |earlier dials/.test(error.message),
          error.message,
        );
        return error.message;
      },
    );
  };
  return { gate, dials, pass, checked: () => dials.filter(({ checkFirst }) => checkFirst).length };
}

Deno.test("DialGate begins 64 dials to a silent ingress and ends each connection in 10 s (F60)", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const { dials, pass, checked } = before({ ingress: "silent" });
  const ended: string[] = [];
  for (let count = 0; count < 500; count++) void pass().then((outcome) => ended.push(outcome));
  await clock.pass(9_999);
  assert.deepEqual([dials.length, ended.length], [64, 0]);
  await clock.pass(1);
  assert.deepEqual([dials.length, ended.length, checked()], [64, 500, 0]);
  assert.equal(logged.lines("warning").length, 1);
});

Deno.test("DialGate passes one trial per step to a silent ingress and fails others at once (F60)", async () => {
  await using _logged = await captureLog();
  using clock = fakeClock();
  const { dials, pass } = before({ ingress: "silent" });
  const first = pass();
  await clock.pass(10_000);
  await first;
  const starts: number[] = [];
  const begun = performance.now();
  for (let tenth = 0; tenth < 1200; tenth++) {
    const known = dials.length;
    const outcome = pass();
    await clock.pass(0);
    if (dials.length > known) starts.push(Math.round((performance.now() - begun) / 1000));
    else assert.match(await outcome, /^Cannot connect to ingress\.test:443: it has not answered for \d+ s$/);
    await clock.pass(100);
  }
  assert.deepEqual(starts, [1, 13, 27, 45, 70, 95], "10 s each, then 2, 4, 8 and 15 s of back-off");
  assert.ok(dials.slice(1).every(({ checkFirst }) => checkFirst), "no trial may cost a descriptor");
  await clock.pass(10_000);
});

Deno.test("DialGate passes all dials again after any answer to a trial (F60, F62)", async () => {
  for (const after of ["fine", "refused", "untrusted", "reset", "handshake"] as const) {
    await using logged = await captureLog();
    using clock = fakeClock();
    const state: State = { ingress: "silent" };
    const { dials, pass, checked } = before(state);
    const first = pass();
    await clock.pass(11_000);
    await first;
    state.ingress = after;
    const trial = await pass();
    assert.equal(trial === "ok", after === "fine");
    await Promise.all([pass(), pass(), pass()]);
    assert.deepEqual([dials.length, checked()], [5, 1], after);
    assert.match(logged.lines("info").join(), /answers again/);
  }
});

Deno.test("DialGate does not count a failure before the ingress as an answer (F60)", async () => {
  for (const code of ["name", "identity", "proxy", "other"] as const) {
    await using logged = await captureLog();
    using clock = fakeClock();
    const state: State = { ingress: "silent" };
    const { dials, pass, checked } = before(state);
    void pass();
    await clock.pass(11_000);
    state.ingress = code;
    for (let trial = 1; trial <= 3; trial++) {
      assert.equal(await pass(), "Cannot connect: failed", code);
      assert.match(await pass(), /has not answered/, "one trial per step");
      await clock.pass(1_000);
    }
    assert.deepEqual([dials.length, checked(), logged.lines("info")], [4, 3, []], code);
    state.ingress = "fine";
    assert.equal(await pass(), "ok");
    assert.match(logged.lines("info").join(), /answers again/);
  }
});

// A name that did not resolve was once enough to end the checks.
Deno.test("DialGate.retryNow() checks each dial first until the ingress answers (F60)", async () => {
  for (const code of ["name", "identity", "proxy", "other"] as const) {
    await using logged = await captureLog();
    using clock = fakeClock();
    const state: State = { ingress: "silent" };
    const { gate, dials, pass, checked } = before(state);
    void pass();
    await clock.pass(10_000);
    gate.retryNow();
    state.ingress = code;
    assert.deepEqual(await Promise.all([pass(), pass()]), Array(2).fill("Cannot connect: failed"));
    state.ingress = "silent";
    const tries = [pass(), pass()];
    await clock.pass(10_000);
    assert.deepEqual(await Promise.all(tries), Array(2).fill("Cannot connect: no answer"));
    assert.deepEqual([dials.length, checked(), logged.lines("info")], [5, 4, []], code);
  }
});

Deno.test("DialGate dials another ingress at once (F60, F62)", async () => {
  await using _logged = await captureLog();
  using clock = fakeClock();
  const state: State = { ingress: "silent" };
  const { pass, checked } = before(state);
  const first = pass();
  await clock.pass(10_000);
  await first;
  state.ingress = "fine";
  assert.equal(await pass({ target: "other.test:443" }), "ok");
  assert.match(await pass(), /has not answered for 10 s/);
  assert.equal(checked(), 0);
});

Deno.test("DialGate does not count an aborted dial, or one without time, as silence", async () => {
  using clock = fakeClock();
  const { dials, pass, checked } = before({ ingress: "silent" });
  assert.match(await pass({ timeoutMs: 4_999 }), /earlier dials used up the time limit/);
  assert.equal(dials.length, 0);
  const controller = new AbortController();
  const aborted = pass({ signal: controller.signal });
  controller.abort(new Error("over"));
  await clock.pass(10_000);
  await aborted;
  const next = pass();
  await clock.pass(0);
  assert.equal(dials.length, 2);
  await clock.pass(10_000);
  await next;
  await clock.pass(1000);
  const trial = new AbortController();
  const broken = pass({ signal: trial.signal });
  trial.abort(new Error("over"));
  await clock.pass(10_000);
  await broken;
  const again = pass();
  await clock.pass(0);
  assert.equal(checked(), 2, "an aborted trial does not count");
  await clock.pass(10_000);
  await again;
});

// All connections once failed for a second after such a dial.
Deno.test("DialGate ignores one dial that times out while others are answered", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const state: State = { ingress: "silent" };
  const { pass, checked } = before(state);
  const lost = pass();
  await clock.pass(5000);
  state.ingress = "fine";
  assert.equal(await pass(), "ok");
  await clock.pass(5000);
  assert.equal(await lost, "Cannot connect: no answer");
  assert.deepEqual([await pass(), checked(), logged.lines("warning")], ["ok", 0, []]);
});

Deno.test("DialGate.retryNow() passes all dials at once, each checked first until one is answered", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const state: State = { ingress: "silent" };
  const { gate, dials, pass, checked } = before(state);
  const first = pass();
  await clock.pass(10_000);
  await first;
  assert.match(await pass(), /has not answered for 10 s/);
  gate.retryNow();
  state.ingress = "fine";
  assert.deepEqual(await Promise.all([pass(), pass()]), ["ok", "ok"]);
  assert.equal(checked(), 2);
  assert.equal(await pass(), "ok");
  assert.deepEqual([dials.length, checked()], [4, 2]);
  assert.match(logged.lines("info").join(), /answers again/);
});

Deno.test("DialGate.retryNow() restarts the back-off and does not warn about the same silence again", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const { gate, dials, pass, checked } = before({ ingress: "silent" });
  void pass();
  await clock.pass(11_000);
  for (let trial = 0; trial < 3; trial++) {
    void pass();
    await clock.pass(26_000);
  }
  assert.equal(dials.length, 4);
  gate.retryNow();
  const tries = [pass(), pass()];
  await clock.pass(10_000);
  assert.deepEqual(await Promise.all(tries), Array(2).fill("Cannot connect: no answer"));
  assert.match(await pass(), /has not answered for 99 s/, "the silence began before retryNow()");
  await clock.pass(1_000);
  void pass();
  await clock.pass(0);
  assert.deepEqual(
    [dials.length, checked(), logged.lines("warning").length],
    [7, 6, 1],
    "the back-off starts again",
  );
  await clock.pass(10_000);
});

// Such a dial once started the silence again.
Deno.test("DialGate ignores the timeout of a dial that began before retryNow()", async () => {
  for (const isTrial of [false, true]) {
    await using logged = await captureLog();
    using clock = fakeClock();
    const state: State = { ingress: "silent" };
    const { gate, pass } = before(state);
    if (isTrial) {
      void pass();
      await clock.pass(11_000);
    }
    const old = pass();
    await clock.pass(6_000);
    gate.retryNow();
    await clock.pass(4_000);
    assert.equal(await old, "Cannot connect: no answer");
    state.ingress = "fine";
    assert.deepEqual(await Promise.all([pass(), pass()]), ["ok", "ok"], "no connection fails because of it");
    assert.equal(logged.lines("warning").length, isTrial ? 1 : 0);
  }
});
