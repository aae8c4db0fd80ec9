import assert from "node:assert/strict";
import { IngressChoice } from "../../src/account/ingress_choice.ts";
import { DialGate } from "../../src/forward/admission/dial_gate.ts";
import { dialIngress } from "../../src/forward/dial.ts";
import { DialError } from "../../src/model/errors.ts";
import { sleep } from "../../src/system/clock.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { memoryPair } from "../fakes/memory_stream.ts";

const NAMED = { hostname: "named.example", port: 443 };
const DEFAULT = { hostname: "default.example", port: 443 };

/** Ingresses; those in `silent` answer nothing until the time limit of a dial. */
class Ingresses {
  silent: readonly string[] = [];
  /** The time that an answer takes. */
  answerMs = 0;
  readonly dials: [hostname: string, limitMs: number][] = [];
  readonly choice = new IngressChoice({
    configured: () => undefined,
    named: () => NAMED,
    fallback: DEFAULT,
  });
  readonly #gate = new DialGate(5000);

  /** Dials once. Returns the seconds that it took, and the error if it failed. */
  async dial(): Promise<[seconds: number, error?: string]> {
    const begun = performance.now();
    const { choice } = this;
    const access = {
      ingress: () => choice.target,
      substitutes: choice,
      clientPair: () => ({ cert: "c", key: "k" }),
      trust: () => [],
      connect: async ({ hostname, timeoutMs }: { hostname: string; timeoutMs: number }) => {
        this.dials.push([hostname, Math.round(timeoutMs)]);
        const ms = this.silent.includes(hostname) ? Infinity : this.answerMs;
        if (ms > 0) await sleep(Math.min(ms, timeoutMs));
        if (ms <= timeoutMs) return memoryPair({ segment: Infinity }).near;
        throw new DialError(`Cannot connect to ${hostname}: no answer`, { code: "timeout" });
      },
    };
    const signal = new AbortController().signal;
    const result = await dialIngress(access, { timeoutMs: 10_000, signal, gate: this.#gate, holder: "x" })
      .then(() => [], (error) => [error.message as string]);
    return [Math.round((performance.now() - begun) / 100) / 10, ...result] as [number, string?];
  }
}

Deno.test("dialIngress() leaves a substitute the larger part of the time", async () => {
  await using _logged = await captureLog();
  using clock = fakeClock();
  const cases: [silent: string[], dials: [string, number][], result: unknown[]][] = [
    [[], [["named.example", 4000]], [0]],
    [["named.example"], [["named.example", 4000], ["default.example", 6000]], [4]],
    [
      ["named.example", "default.example"],
      [["named.example", 4000], ["default.example", 6000]],
      [10, "Cannot connect to named.example: no answer"],
    ],
  ];
  for (const [silent, dials, result] of cases) {
    const ingresses = new Ingresses();
    ingresses.silent = silent;
    const dialled = ingresses.dial();
    await clock.pass(10_000);
    assert.deepEqual([ingresses.dials, await dialled], [dials, result]);
  }
});

// After one failure, each of these waited 10 s for a default ingress that a firewall drops.
Deno.test("dialIngress() returns to the named ingress at once if only that can be reached", async () => {
  await using _logged = await captureLog();
  using clock = fakeClock();
  const ingresses = new Ingresses();
  ingresses.silent = ["named.example", "default.example"];
  const first = ingresses.dial();
  await clock.pass(10_000);
  await first;
  ingresses.silent = ["default.example"];
  for (let count = 0; count < 5; count++) assert.deepEqual(await ingresses.dial(), [0]);
});

// The time in the queue of the handshakes counted, so that a burst changed the ingress.
Deno.test("dialIngress() keeps the named ingress during a burst of slow handshakes", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const ingresses = new Ingresses();
  ingresses.answerMs = 1500;
  const dials = Array.from({ length: 320 }, () => ingresses.dial());
  await clock.pass(15_000);
  const served = (await Promise.all(dials)).filter(([, error]) => error === undefined);
  // 64 at a time. Those of the fourth wave begin after 4.5 s, the last moment that leaves 5 s.
  assert.equal(served.length, 256);
  assert.deepEqual(new Set(ingresses.dials.map(([hostname]) => hostname)), new Set(["named.example"]));
  assert.deepEqual([ingresses.choice.target, logged.lines("warning")], [NAMED, []]);
});
