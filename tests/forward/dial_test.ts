import assert from "node:assert/strict";
import { IngressChoice } from "../../src/account/ingress_choice.ts";
import { DialGate } from "../../src/forward/admission/dial_gate.ts";
import { dialIngress } from "../../src/forward/dial.ts";
import { DialError } from "../../src/model/errors.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { memoryPair } from "../fakes/memory_stream.ts";

const NAMED = { hostname: "named.example", port: 443 };
const DEFAULT = { hostname: "default.example", port: 443 };

/** Dials once; the ingresses in `silent` fail by a timeout. Returns what was dialled. */
async function dialled(silent: readonly string[]): Promise<[hostname: string, isShort: boolean][]> {
  const choice = new IngressChoice({
    configured: () => undefined,
    named: () => NAMED,
    fallback: DEFAULT,
  });
  const dials: [string, boolean][] = [];
  const access = {
    ingress: () => choice.target,
    substitutes: choice,
    clientPair: () => ({ cert: "c", key: "k" }),
    trust: () => [],
    connect: ({ hostname, timeoutMs }: { hostname: string; timeoutMs: number }) => {
      dials.push([hostname, timeoutMs <= 4000]);
      return silent.includes(hostname)
        ? Promise.reject(new DialError(`Cannot connect to ${hostname}: no answer`, { code: "timeout" }))
        : Promise.resolve(memoryPair({ segment: Infinity }).near);
    },
  };
  const options = {
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    gate: new DialGate(5000),
    holder: "x",
  };
  await dialIngress(access, options).catch((error) => {
    assert.match(error.message, /named\.example/, "the error is of the one that the API names");
  });
  return dials;
}

Deno.test("dialIngress() leaves a substitute the larger part of the time", async () => {
  await using _logged = await captureLog();
  assert.deepEqual(await dialled([]), [["named.example", true]]);
  const both = [["named.example", true], ["default.example", false]];
  assert.deepEqual(await dialled(["named.example"]), both);
  assert.deepEqual(await dialled(["named.example", "default.example"]), both);
});
