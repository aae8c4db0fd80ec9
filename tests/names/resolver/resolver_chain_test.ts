import assert from "node:assert/strict";
import { ResolverChain } from "../../../src/names/resolver/resolver_chain.ts";
import type { Resolver, ResolverOutcome, ResolverRequest } from "../../../src/names/resolver/resolver.ts";

const WISH: ResolverRequest = { server: { address: "10.107.0.1", port: 53 }, domains: ["a.example"] };

/** A resolver that works unless it is told not to, and writes into a common log what it does. */
class FakeResolver implements Resolver {
  readonly off = undefined;
  readonly kind: string;
  problem: string | undefined;
  stuck: string | undefined;
  #stands = false;
  readonly #log: string[];

  constructor(kind: string, log: string[]) {
    this.kind = kind;
    this.#log = log;
  }

  get target(): string {
    return `/etc/${this.kind}`;
  }

  observe(): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(new Map(this.#stands ? [[".", this.kind]] : []));
  }

  apply(): Promise<ResolverOutcome> {
    this.#log.push(`apply ${this.kind}`);
    const outcome = { refused: new Map(), warnings: [`${this.kind} tried`] };
    if (this.problem !== undefined) {
      return Promise.resolve({
        ...outcome,
        changed: false,
        problem: this.problem,
        hint: `mend ${this.kind}`,
      });
    }
    const changed = !this.#stands;
    this.#stands = true;
    return Promise.resolve({ ...outcome, changed });
  }

  withdraw(): Promise<ResolverOutcome> {
    this.#log.push(`withdraw ${this.kind}`);
    const problem = this.stuck;
    const changed = this.#stands && problem === undefined;
    if (changed) this.#stands = false;
    return Promise.resolve({ changed, problem, refused: new Map(), warnings: [] });
  }
}

function two(): { log: string[]; a: FakeResolver; b: FakeResolver; chain: ResolverChain } {
  const log: string[] = [];
  const [a, b] = [new FakeResolver("a", log), new FakeResolver("b", log)];
  return { log, a, b, chain: new ResolverChain([a, b]) };
}

function stateOf(chain: ResolverChain): unknown[] {
  return [chain.kind, chain.target, chain.off, chain.reason];
}

Deno.test("ResolverChain uses the first that works, and clears what an earlier run left with the other", async () => {
  const { log, chain } = two();
  assert.deepEqual(stateOf(chain), ["none", "", "No name needs our DNS server", undefined]);
  assert.equal((await chain.apply(WISH)).changed, true);
  assert.deepEqual(stateOf(chain), ["a", "/etc/a", undefined, undefined]);
  assert.equal((await chain.apply(WISH)).changed, false);
  assert.deepEqual(log, ["apply a", "withdraw b", "apply a"]);
});

Deno.test("ResolverChain falls back in the stated order, says why, and goes back (F55)", async () => {
  const { log, a, chain } = two();
  await chain.apply(WISH);
  a.problem = "a is broken";
  log.length = 0;
  const down = await chain.apply(WISH);
  assert.deepEqual([down.changed, down.problem], [true, undefined]);
  assert.deepEqual(stateOf(chain), ["b", "/etc/b", undefined, "a is broken"]);
  // The old one goes after the new one has come.
  assert.deepEqual(log, ["apply a", "apply b", "withdraw a"]);
  a.problem = undefined;
  log.length = 0;
  assert.deepEqual((await chain.apply(WISH)).changed, true);
  assert.deepEqual(stateOf(chain), ["a", "/etc/a", undefined, undefined]);
  assert.deepEqual(log, ["apply a", "withdraw b"]);
});

Deno.test("ResolverChain leaves what stands where nothing works, and gives every reason (F55)", async () => {
  const { log, a, b, chain } = two();
  await chain.apply(WISH);
  [a.problem, b.problem] = ["a is broken", "b is not allowed"];
  log.length = 0;
  const outcome = await chain.apply(WISH);
  assert.deepEqual([outcome.changed, outcome.problem, outcome.hint], [
    false,
    "a is broken; b is not allowed",
    "mend b",
  ]);
  assert.deepEqual(stateOf(chain), ["none", "", outcome.problem, outcome.problem]);
  assert.deepEqual(log, ["apply a", "apply b"]);
  assert.deepEqual(await chain.observe(), new Map([[".", "a"]]));
  assert.equal((await chain.withdraw()).changed, true);
  assert.deepEqual(await chain.observe(), new Map());
});

Deno.test("ResolverChain withdraws when no name is wanted, and asks nobody twice who is clean", async () => {
  const { log, chain } = two();
  await chain.apply(WISH);
  log.length = 0;
  assert.equal((await chain.apply({ ...WISH, domains: [] })).changed, true);
  assert.deepEqual(stateOf(chain), ["none", "", "No name needs our DNS server", undefined]);
  assert.equal((await chain.apply({ ...WISH, domains: [] })).changed, false);
  assert.deepEqual(log, ["withdraw a"]);
});

Deno.test("ResolverChain keeps trying to clear what is stuck, and says so", async () => {
  const { log, a, b, chain } = two();
  b.stuck = "b does not let go";
  assert.deepEqual((await chain.apply(WISH)).warnings, ["a tried", "b does not let go"]);
  log.length = 0;
  b.stuck = undefined;
  assert.deepEqual((await chain.apply(WISH)).warnings, ["a tried"]);
  await chain.apply(WISH);
  assert.deepEqual(log, ["apply a", "withdraw b", "apply a"]);
  a.stuck = "a does not let go";
  assert.equal((await chain.withdraw()).problem, "a does not let go");
});
