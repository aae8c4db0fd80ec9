import assert from "node:assert/strict";
import { PublicNames } from "../../../src/names/policy/public_names.ts";
import { fakeClock } from "../../fakes/fake_clock.ts";

type Answer = "exists" | "missing" | undefined;

/** A PublicNames whose look-ups the test answers. */
class Names extends PublicNames {
  readonly asked: string[] = [];
  /** The look-ups that run. */
  readonly open = new Map<string, (answer: Answer) => void>();
  changes = 0;
  nowMs = 0;

  constructor() {
    super({
      lookUp: (name) => {
        this.asked.push(name);
        const { promise, resolve } = Promise.withResolvers<Answer>();
        this.open.set(name, resolve);
        return promise;
      },
      onChange: () => Promise.resolve(void this.changes++),
      now: () => this.nowMs,
    });
  }

  answer(answer: Answer, names: readonly string[] = [...this.open.keys()]): Promise<void> {
    for (const name of names) {
      this.open.get(name)!(answer);
      this.open.delete(name);
    }
    return settled();
  }
}

/** Resolves after everything that runs without time. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

Deno.test("PublicNames looks up each name once, at most 16 at a time", async () => {
  const names = new Names();
  const wanted = Array.from({ length: 40 }, (_, index) => `e${index}.company.com`);
  names.want(wanted);
  while (names.open.size > 0) {
    assert.ok(names.open.size <= 16);
    names.want(wanted);
    await names.answer("missing");
  }
  assert.deepEqual(names.asked, wanted);
  assert.deepEqual([names.state(wanted[0]!), names.state("other.com")], ["missing", "unknown"]);
  assert.equal(names.changes, 0);
});

Deno.test("PublicNames reports public names and all wildcards at once, and then once in a second", async () => {
  using clock = fakeClock();
  const names = new Names();
  names.want(["a.com", "*.b.com", "c.com", "d.com", "slow.com"]);
  names.answer("exists", ["a.com"]);
  await clock.pass(0);
  assert.deepEqual([names.changes, names.state("a.com")], [1, "exists"]);
  names.answer("missing", ["*.b.com", "c.com"]);
  names.answer("exists", ["d.com"]);
  await clock.pass(999);
  assert.deepEqual([names.changes, names.state("*.b.com")], [1, "missing"]);
  await clock.pass(1);
  assert.equal(names.changes, 2);
  names.want(["slow.com", "new.com"]);
  names.answer("missing", ["slow.com"]);
  await clock.pass(1000);
  assert.deepEqual([[...names.open.keys()], names.changes], [["new.com"], 2]);
  names.answer(undefined);
  await names.close();
  assert.equal(clock.timers(), 0);
});

// An account with names that no server answers for kept all others from being checked.
Deno.test("PublicNames asks again after 20 s without an answer, and about new names first", async () => {
  const names = new Names();
  const silent = Array.from({ length: 100 }, (_, index) => `e${index}.dead.com`);
  names.want(silent);
  await names.answer(undefined);
  names.want([...silent, "new.com"]);
  while (names.open.size > 0) await names.answer(undefined);
  assert.deepEqual([names.asked.length, new Set(names.asked).size], [101, 101]);
  names.nowMs = 19_999;
  names.want([...silent, "new.com", "during.com"]);
  await names.answer("missing");
  assert.deepEqual(names.asked.slice(101), ["during.com"]);
  names.nowMs = 20_000;
  names.want([...silent, "new.com", "newer.com"]);
  assert.deepEqual([names.asked[102], names.open.size], ["newer.com", 16]);
  while (names.open.size > 0) await names.answer("missing");
  assert.ok(silent.every((name) => names.state(name) === "missing"));
});

Deno.test("PublicNames forgets names that are gone, and asks nothing after close()", async () => {
  const names = new Names();
  names.want(["a.com", "b.com"]);
  names.want(["b.com"]);
  await names.answer("exists");
  assert.deepEqual([names.state("a.com"), names.state("b.com"), names.changes], ["unknown", "exists", 1]);
  await names.close();
  names.want(["c.com"]);
  assert.deepEqual(names.asked, ["a.com", "b.com"]);
});
