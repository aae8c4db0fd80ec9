import assert from "node:assert/strict";
import { ResolverChain } from "../../../src/names/resolver/resolver_chain.ts";
import type { Resolver, ResolverOutcome, ResolverRequest } from "../../../src/names/resolver/resolver.ts";
import { captureLog } from "../../fakes/captured_log.ts";

const REQUEST: ResolverRequest = { server: { address: "10.107.0.1", port: 53 }, domains: ["a.example"] };

/** A resolver that works unless it has a problem, and adds its calls to a common log. */
class FakeResolver implements Resolver {
  readonly kind: string;
  problem: string | undefined;
  withdrawProblem: string | undefined;
  isSet = false;
  readonly #log: string[];

  constructor(kind: string, log: string[]) {
    this.kind = kind;
    this.#log = log;
  }

  get label(): string {
    return `/etc/${this.kind}`;
  }

  apply(): Promise<ResolverOutcome> {
    this.#log.push(`apply ${this.kind}`);
    const outcome = { refused: new Map() };
    if (this.problem !== undefined) {
      return Promise.resolve({
        ...outcome,
        changed: false,
        problem: this.problem,
        hint: `repair ${this.kind}`,
      });
    }
    const changed = !this.isSet;
    this.isSet = true;
    return Promise.resolve({ ...outcome, changed });
  }

  withdraw(): Promise<ResolverOutcome> {
    this.#log.push(`withdraw ${this.kind}`);
    const problem = this.withdrawProblem;
    const changed = this.isSet && problem === undefined;
    if (changed) this.isSet = false;
    return Promise.resolve({ changed, problem, refused: new Map() });
  }
}

function two(): { log: string[]; a: FakeResolver; b: FakeResolver; chain: ResolverChain } {
  const log: string[] = [];
  const [a, b] = [new FakeResolver("a", log), new FakeResolver("b", log)];
  return { log, a, b, chain: new ResolverChain([a, b]) };
}

function stateOf(chain: ResolverChain): unknown[] {
  return [chain.kind, chain.label, chain.reason];
}

Deno.test("ResolverChain uses the first resolver that works, and withdraws the others", async () => {
  const { log, chain } = two();
  assert.deepEqual(stateOf(chain), ["none", "", undefined]);
  assert.equal((await chain.apply(REQUEST)).changed, true);
  assert.deepEqual(stateOf(chain), ["a", "/etc/a", undefined]);
  assert.equal((await chain.apply(REQUEST)).changed, false);
  assert.deepEqual(log, ["apply a", "withdraw b", "apply a"]);
});

Deno.test("ResolverChain falls back in the given order with a reason, and returns (F55)", async () => {
  const { log, a, chain } = two();
  await chain.apply(REQUEST);
  a.problem = "a is broken";
  log.length = 0;
  const down = await chain.apply(REQUEST);
  assert.deepEqual([down.changed, down.problem], [true, undefined]);
  assert.deepEqual(stateOf(chain), ["b", "/etc/b", "a is broken"]);
  // The old resolver is withdrawn after the new one works.
  assert.deepEqual(log, ["apply a", "apply b", "withdraw a"]);
  a.problem = undefined;
  log.length = 0;
  assert.deepEqual((await chain.apply(REQUEST)).changed, true);
  assert.deepEqual(stateOf(chain), ["a", "/etc/a", undefined]);
  assert.deepEqual(log, ["apply a", "withdraw b"]);
});

Deno.test("ResolverChain changes nothing if no resolver works, and gives every reason (F55)", async () => {
  const { log, a, b, chain } = two();
  await chain.apply(REQUEST);
  [a.problem, b.problem] = ["a is broken", "b is not allowed"];
  log.length = 0;
  const outcome = await chain.apply(REQUEST);
  assert.deepEqual([outcome.changed, outcome.problem, outcome.hint], [
    false,
    "a is broken; b is not allowed",
    "repair b",
  ]);
  assert.deepEqual(stateOf(chain), ["none", "", outcome.problem]);
  assert.deepEqual(log, ["apply a", "apply b"]);
  assert.equal(a.isSet, true);
  assert.equal((await chain.withdraw()).changed, true);
  assert.equal(a.isSet, false);
});

Deno.test("ResolverChain withdraws once if no name is requested", async () => {
  const { log, chain } = two();
  await chain.apply(REQUEST);
  log.length = 0;
  assert.equal((await chain.apply({ ...REQUEST, domains: [] })).changed, true);
  assert.deepEqual(stateOf(chain), ["none", "", undefined]);
  assert.equal((await chain.apply({ ...REQUEST, domains: [] })).changed, false);
  assert.deepEqual(log, ["withdraw a"]);
});

Deno.test("ResolverChain retries a withdrawal that failed, and warns", async () => {
  const { log, a, b, chain } = two();
  b.withdrawProblem = "b cannot be withdrawn";
  await using logged = await captureLog();
  await chain.apply(REQUEST);
  await chain.apply(REQUEST);
  const warning = "Problem with the earlier resolver: b cannot be withdrawn";
  assert.deepEqual(logged.lines("warning"), [warning]);
  log.length = 0;
  b.withdrawProblem = undefined;
  await chain.apply(REQUEST);
  await chain.apply(REQUEST);
  assert.deepEqual(log, ["apply a", "withdraw b", "apply a"]);
  a.withdrawProblem = "a cannot be withdrawn";
  assert.equal((await chain.withdraw()).problem, "a cannot be withdrawn");
});
