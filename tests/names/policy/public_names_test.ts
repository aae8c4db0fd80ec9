import assert from "node:assert/strict";
import { PublicNames } from "../../../src/names/policy/public_names.ts";

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

  async answer(answer: Answer, names: readonly string[] = [...this.open.keys()]): Promise<void> {
    for (const name of names) {
      this.open.get(name)!(answer);
      this.open.delete(name);
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
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

Deno.test("PublicNames reports public names and all wildcards, while other look-ups still run", async () => {
  const names = new Names();
  names.want(["a.com", "*.b.com", "c.com", "slow.com"]);
  await names.answer("exists", ["a.com"]);
  assert.deepEqual([names.changes, names.state("a.com")], [1, "exists"]);
  await names.answer("missing", ["*.b.com", "c.com"]);
  assert.deepEqual([names.changes, names.state("*.b.com")], [2, "missing"]);
  await names.answer(undefined);
});

Deno.test("PublicNames pauses for 20 s after 16 look-ups without an answer, and then asks again", async () => {
  const names = new Names();
  const wanted = Array.from({ length: 100 }, (_, index) => `e${index}.company.com`);
  names.want(wanted);
  while (names.open.size > 0) await names.answer(undefined);
  assert.ok(names.asked.length <= 31, `${names.asked.length} look-ups`);
  const before = names.asked.length;
  names.nowMs = 19_999;
  names.retry();
  assert.equal(names.asked.length, before);
  names.nowMs = 20_000;
  names.retry();
  assert.equal(names.asked.length, before + 16);
  while (names.open.size > 0) await names.answer("missing");
  assert.ok(wanted.every((name) => names.state(name) === "missing"));
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
