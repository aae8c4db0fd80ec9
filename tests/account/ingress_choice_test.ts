import assert from "node:assert/strict";
import { IngressChoice } from "../../src/account/ingress_choice.ts";
import { DialError, type DialFailure } from "../../src/model/errors.ts";
import type { IngressTarget } from "../../src/model/ingress_target.ts";
import { DEFAULT_INGRESS } from "../../src/config/config.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";

const NAMED: IngressTarget = { hostname: "named.example", port: 443 };

function failed(code: DialFailure = "refused", startedAt = 0) {
  return { error: new DialError(`Cannot connect: ${code}`, { code }), startedAt };
}

/** A choice between the named one and the default one, with a clock that stands still. */
function choiceAt(clock: { nowMs: number }): IngressChoice {
  return new IngressChoice({
    configured: () => undefined,
    named: () => NAMED,
    fallback: DEFAULT_INGRESS,
    now: () => clock.nowMs,
  });
}

Deno.test("IngressChoice uses the default one while the named one cannot be reached", async () => {
  await using logged = await captureLog();
  const clock = { nowMs: 0 };
  const choice = choiceAt(clock);
  assert.deepEqual(choice.choose(), NAMED);
  assert.deepEqual([choice.mayReplace(NAMED), choice.mayReplace(DEFAULT_INGRESS)], [true, false]);
  choice.afterFailure(NAMED, failed("name"));
  choice.answered(DEFAULT_INGRESS);
  assert.deepEqual([choice.choose(), choice.target], [DEFAULT_INGRESS, DEFAULT_INGRESS]);
  assert.match(choice.problem!, /^Cannot reach named\.example:443, .*Cannot connect: name; using kubernetes/);
  assert.match(
    logged.lines("warning").join(),
    /Cannot reach the ingress named\.example:443 .*using kubernetes/,
  );
  clock.nowMs = 300_000;
  assert.deepEqual(choice.choose(), NAMED, "it is tried again");
  assert.deepEqual(choice.choose(), DEFAULT_INGRESS, "by one dial only");
  assert.deepEqual(choice.target, DEFAULT_INGRESS);
  assert.deepEqual(choice.afterFailure(NAMED, failed("reset")), DEFAULT_INGRESS, "which works");
  clock.nowMs = 599_999;
  assert.deepEqual(choice.choose(), DEFAULT_INGRESS);
  clock.nowMs = 600_000;
  assert.deepEqual(choice.choose(), NAMED);
  choice.answered(NAMED);
  assert.deepEqual([choice.choose(), choice.problem], [NAMED, undefined]);
  assert.match(logged.lines("info").join(), /named\.example:443 can be reached again/);
  assert.equal(logged.lines("warning").length, 1);
});

// One lost packet sent every connection to a default ingress that nobody can reach.
Deno.test("IngressChoice stays with the named one until the default one has answered", async () => {
  await using _logged = await captureLog();
  const choice = choiceAt({ nowMs: 0 });
  for (let again = 0; again < 2; again++) {
    assert.deepEqual(choice.afterFailure(NAMED, failed()), DEFAULT_INGRESS);
    assert.deepEqual([choice.choose(), choice.target, choice.problem], [NAMED, NAMED, undefined]);
    assert.equal(choice.afterFailure(DEFAULT_INGRESS, failed()), undefined, "both fail");
    assert.deepEqual(choice.choose(), NAMED);
  }
  choice.answered(DEFAULT_INGRESS);
  assert.deepEqual(choice.choose(), DEFAULT_INGRESS);
  assert.deepEqual(choice.afterFailure(DEFAULT_INGRESS, failed()), NAMED, "nothing is proven any more");
  assert.deepEqual(choice.choose(), NAMED);
});

Deno.test("IngressChoice ignores failures that do not show that nothing can be reached", async () => {
  await using _logged = await captureLog();
  const codes: [DialFailure, IngressTarget | undefined][] = [
    ["name", DEFAULT_INGRESS],
    ["refused", DEFAULT_INGRESS],
    ["timeout", DEFAULT_INGRESS],
    ["unreachable", DEFAULT_INGRESS],
    ["untrusted", undefined],
    ["identity", undefined],
    ["reset", undefined],
    ["handshake", undefined],
    ["proxy", undefined],
    ["late", undefined],
    ["full", undefined],
    ["other", undefined],
  ];
  for (const [code, next] of codes) {
    const choice = choiceAt({ nowMs: 0 });
    assert.deepEqual(choice.afterFailure(NAMED, failed(code)), next, code);
    choice.answered(DEFAULT_INGRESS);
    assert.deepEqual(choice.target, next ?? NAMED, code);
    // A dial that has not begun says nothing about the default one either.
    if (next !== undefined) assert.equal(choice.afterFailure(DEFAULT_INGRESS, failed("late")), undefined);
    assert.deepEqual(choice.target, next ?? NAMED, code);
  }
});

Deno.test("IngressChoice replaces an ingress that the gate knows to be silent", () => {
  const error = new DialError("it has not answered for 5 s", { code: "timeout", isLocal: true });
  assert.deepEqual(choiceAt({ nowMs: 0 }).afterFailure(NAMED, { error, startedAt: 0 }), DEFAULT_INGRESS);
});

Deno.test("IngressChoice ignores a timeout if another dial was answered since", async () => {
  await using _logged = await captureLog();
  const clock = { nowMs: 2000 };
  const choice = choiceAt(clock);
  choice.answered(NAMED);
  assert.deepEqual(choice.afterFailure(NAMED, failed("timeout", 1000)), NAMED, "it is dialled again");
  choice.answered(DEFAULT_INGRESS);
  assert.deepEqual(choice.target, NAMED);
  assert.deepEqual(choice.afterFailure(NAMED, failed("timeout", 2000)), DEFAULT_INGRESS);
  choice.answered(DEFAULT_INGRESS);
  assert.deepEqual(choice.afterFailure(DEFAULT_INGRESS, failed("timeout", 1000)), DEFAULT_INGRESS);
  assert.deepEqual(choice.target, DEFAULT_INGRESS);
});

Deno.test("IngressChoice tries the named one first after a change of network", async () => {
  await using _logged = await captureLog();
  const choice = choiceAt({ nowMs: 0 });
  choice.afterFailure(NAMED, failed());
  choice.answered(DEFAULT_INGRESS);
  choice.retryNow();
  assert.deepEqual([choice.choose(), choice.problem], [NAMED, undefined]);
});

Deno.test("IngressChoice has no substitute for a configured ingress, and none for the default one", () => {
  const configured = { hostname: "mine.example", port: 8443 };
  const choices: [IngressTarget | undefined, IngressTarget | undefined, IngressTarget][] = [
    [configured, NAMED, configured],
    [undefined, undefined, DEFAULT_INGRESS],
    [undefined, DEFAULT_INGRESS, DEFAULT_INGRESS],
  ];
  for (const [key, named, target] of choices) {
    const choice = new IngressChoice({
      configured: () => key,
      named: () => named,
      fallback: DEFAULT_INGRESS,
    });
    assert.deepEqual([choice.target, choice.mayReplace(target)], [target, false]);
    assert.equal(choice.afterFailure(target, failed()), undefined);
    assert.deepEqual(choice.target, target);
  }
});

// Every connection failed for ever. The Go daemon, which knows the default name only, served.
Deno.test("A connection reaches the default ingress if the one that the API names is unreachable", async () => {
  await using machine = await FakeMachine.create({ ingress: "" });
  const { cloud } = machine;
  cloud.faults.set({ kind: "ingress_endpoint", value: "localhost:1" });
  cloud.addEndpoint({ url: "http://api.myapp:8357", backend: "http" });
  const { connectTls } = machine.system;
  machine.override({
    connectTls: (options) =>
      options.hostname === DEFAULT_INGRESS.hostname
        ? connectTls({ ...options, hostname: cloud.ingressHost, port: cloud.ingressPort })
        : connectTls(options),
  });
  await withDaemon(machine, async () => {
    const [row] = await machine.active(1);
    assert.equal((await machine.askStatus()).ingress_endpoint, "localhost:1");
    assert.equal(await statusLine(row!), "HTTP/1.1 200 OK");
    const { ingress_endpoint, ingress, problems } = await machine.askStatus();
    assert.deepEqual([ingress_endpoint, ingress.state], ["kubernetes-binding-ingress.ngrok.io:443", "ok"]);
    assert.match(
      problems.join(),
      /Cannot reach localhost:1, the ingress that the API names: .*; using kubernetes/,
    );
    assert.equal(await statusLine(row!), "HTTP/1.1 200 OK");
  });
});
