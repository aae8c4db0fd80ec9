import assert from "node:assert/strict";
import { IngressChoice } from "../../src/account/ingress_choice.ts";
import { DialError, type DialFailure } from "../../src/model/errors.ts";
import type { IngressTarget } from "../../src/model/ingress_target.ts";
import { DEFAULT_INGRESS } from "../../src/config/config.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";

const NAMED: IngressTarget = { hostname: "named.example", port: 443 };

function failure(code: DialFailure = "refused"): DialError {
  return new DialError(`Cannot connect: ${code}`, { code });
}

Deno.test("IngressChoice uses the default one while the named one cannot be reached", async () => {
  await using logged = await captureLog();
  let nowMs = 0;
  const choice = new IngressChoice({
    configured: () => undefined,
    named: () => NAMED,
    fallback: DEFAULT_INGRESS,
    now: () => nowMs,
  });
  assert.deepEqual(choice.target, NAMED);
  assert.deepEqual([choice.mayReplace(NAMED), choice.mayReplace(DEFAULT_INGRESS)], [true, false]);
  assert.equal(choice.afterFailure(NAMED, failure("untrusted")), undefined, "something answers there");
  for (let again = 0; again < 2; again++) {
    assert.deepEqual(choice.afterFailure(NAMED, failure()), DEFAULT_INGRESS);
    assert.deepEqual(choice.afterFailure(DEFAULT_INGRESS, failure()), NAMED, "both fail");
    assert.deepEqual([choice.target, choice.problem], [NAMED, undefined]);
  }
  choice.afterFailure(NAMED, failure("name"));
  choice.answered(DEFAULT_INGRESS);
  assert.deepEqual(choice.target, DEFAULT_INGRESS);
  assert.match(choice.problem!, /^Cannot reach named\.example:443, .*Cannot connect: name; using kubernetes/);
  assert.match(
    logged.lines("warning").join(),
    /Cannot reach the ingress named\.example:443 .*using kubernetes/,
  );
  nowMs = 300_000;
  assert.deepEqual(choice.target, NAMED, "it is tried again");
  assert.deepEqual(choice.afterFailure(NAMED, failure()), DEFAULT_INGRESS);
  assert.deepEqual(choice.target, DEFAULT_INGRESS);
  nowMs = 600_000;
  choice.answered(NAMED);
  assert.deepEqual([choice.target, choice.problem], [NAMED, undefined]);
  assert.match(logged.lines("info").join(), /named\.example:443 can be reached again/);
  assert.equal(logged.lines("warning").length, 1);
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
    assert.equal(choice.afterFailure(target, failure()), undefined);
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
