import assert from "node:assert/strict";
import type { PublicAnswer } from "../../../src/names/policy/judge_public.ts";
import { PublicNames } from "../../../src/names/policy/public_names.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { fakeClock } from "../../fakes/fake_clock.ts";

/** A PublicNames whose look-ups the test answers. */
class Names extends PublicNames {
  readonly asked: string[] = [];
  /** The look-ups that run. */
  readonly open = new Map<string, (answer: PublicAnswer) => void>();
  changes = 0;

  constructor() {
    super({
      lookUp: (name) => {
        this.asked.push(name);
        const { promise, resolve } = Promise.withResolvers<PublicAnswer>();
        this.open.set(name, resolve);
        return promise;
      },
      domainOf: (name) => name.split(".").slice(-2).join("."),
      isAwaited: (name) => name.startsWith("*."),
      onChange: () => Promise.resolve(void this.changes++),
    });
  }

  answer(answer: PublicAnswer, names: readonly string[] = [...this.open.keys()]): void {
    for (const name of names) {
      this.open.get(name)!(answer);
      this.open.delete(name);
    }
  }
}

/** Returns names below a domain. */
function below(domain: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `e${index}.${domain}`);
}

Deno.test("PublicNames looks up each name once, at most 16 at a time and 50 a second", async () => {
  using clock = fakeClock();
  const names = new Names();
  const wanted = below("company.com", 200);
  names.want(wanted);
  const perSecond: number[] = [];
  for (let second = 0; names.asked.length < wanted.length; second++) {
    const before = names.asked.length;
    for (let ms = 0; ms < 1000; ms += 5) {
      await clock.pass(5);
      assert.ok(names.open.size <= 16);
      names.answer("missing");
    }
    names.want(wanted);
    perSecond.push(names.asked.length - before);
  }
  assert.deepEqual(names.asked, wanted);
  assert.ok(perSecond[0]! <= 100 && perSecond.slice(1).every((count) => count <= 50), perSecond.join());
  assert.deepEqual([names.state(wanted[0]!), names.state("other.com")], ["missing", "unknown"]);
  assert.equal(names.changes, 0);
  await names.close();
});

Deno.test("PublicNames reports public names and all wildcards at once, and then once in a second", async () => {
  using clock = fakeClock();
  const names = new Names();
  names.want(["a.com", "*.b.com", "c.com", "d.com", "slow.com"]);
  await clock.pass(0);
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

// 10,000 names below a zone that never answers, listed first, delayed a name of others by 52 min,
// and one look-up that ran kept all new names at one look-up at a time.
Deno.test("PublicNames looks up the domains in turn, and starts look-ups while one still runs", async () => {
  using clock = fakeClock();
  const names = new Names();
  const silent = below("dead.com", 10_000);
  names.want(["slow.com"]);
  const others = below("company.com", 100);
  names.want(["slow.com", ...others]);
  assert.equal(names.open.size, 16);
  names.want(["slow.com", ...silent, ...others, "www.bank.com"]);
  names.answer(undefined, [...names.open.keys()].filter((name) => name !== "slow.com"));
  await clock.pass(0);
  assert.ok(names.asked.indexOf("www.bank.com") > 0, names.asked.slice(-16).join());
  const share = names.asked.slice(-12).filter((name) => name.endsWith(".dead.com"));
  assert.equal(share.length, 6);
  names.answer(undefined);
  await names.close();
});

Deno.test("PublicNames asks again after 20 s without an answer, then after twice that, up to 1 h", async () => {
  using clock = fakeClock();
  const names = new Names();
  names.want(["dead.com"]);
  await clock.pass(0);
  const pauses = [20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600];
  for (const seconds of pauses) {
    names.answer(undefined);
    await clock.pass(seconds * 1000 - 1);
    names.retry();
    await clock.pass(0);
    assert.equal(names.open.size, 0, String(seconds));
    await clock.pass(1);
    names.retry();
    await clock.pass(0);
    assert.equal(names.open.size, 1, String(seconds));
  }
  names.answer("missing");
  await clock.pass(3_600_000);
  names.retry();
  assert.deepEqual([names.state("dead.com"), names.asked.length], ["missing", pauses.length + 1]);
  await names.close();
});

// Names without an answer came before new names of the same domain.
Deno.test("PublicNames looks up the new names of a domain before those without an answer", async () => {
  using clock = fakeClock();
  const names = new Names();
  const silent = below("dead.com", 30);
  names.want(silent);
  for (let turn = 0; turn < 3; turn++) {
    await clock.pass(0);
    names.answer(undefined);
  }
  assert.equal(names.asked.length, 30);
  await clock.pass(20_000);
  names.retry();
  await clock.pass(0);
  names.want([...silent, "new.dead.com"]);
  names.answer(undefined);
  await clock.pass(0);
  assert.equal(names.asked[30 + 16], "new.dead.com");
  names.answer(undefined);
  await names.close();
});

// The scan for the next name took 1.4 s for 10,000 names.
Deno.test("PublicNames finds the next of 40,000 names without a scan", async () => {
  const realNow = performance.now.bind(performance);
  const start = realNow();
  using clock = fakeClock();
  const names = new Names();
  const domains = Array.from({ length: 20_000 }, (_, index) => `d${index}.com`);
  const wanted = [...below("company.com", 20_000), ...domains];
  names.want(wanted);
  while (names.asked.length < wanted.length) {
    await clock.pass(20 * 16);
    names.answer("missing");
  }
  assert.ok(realNow() - start < 10_000);
  await names.close();
});

// The reason said that no server had answered yet.
Deno.test("PublicNames says at once that there is no server to ask, and asks every 20 s", async () => {
  using clock = fakeClock();
  const names = new Names();
  names.want(["*.bank.com"]);
  for (let turn = 0; turn < 10; turn++) {
    names.answer("no server");
    await clock.pass(20_000);
    assert.deepEqual([names.state("*.bank.com"), names.changes], ["no server", 1]);
    names.retry();
    assert.equal(names.open.size, 1);
  }
  names.answer("missing");
  await clock.pass(0);
  assert.deepEqual([names.state("*.bank.com"), names.changes], ["missing", 2]);
  await names.close();
});

// The log was silent after ten names for the life of the process.
Deno.test("PublicNames logs the public names of each report in one event, without an end", async () => {
  using clock = fakeClock();
  await using logged = await captureLog();
  const names = new Names();
  for (let turn = 0; turn < 20; turn++) {
    names.want(below(`d${turn}.com`, 15));
    await clock.pass(1000);
    names.answer("exists");
    await clock.pass(2000);
  }
  const lines = logged.lines("warning");
  assert.ok(lines.length >= 20 && lines.length <= 40, String(lines.length));
  assert.ok(lines.at(-1)!.includes("d19.com"), lines.at(-1));
  await names.close();
});

Deno.test("PublicNames forgets names that are gone, and asks nothing after close()", async () => {
  using clock = fakeClock();
  const names = new Names();
  names.want(["a.com", "b.com"]);
  await clock.pass(0);
  names.want(["b.com"]);
  names.answer("exists");
  await clock.pass(0);
  assert.deepEqual([names.state("a.com"), names.state("b.com"), names.changes], ["unknown", "exists", 1]);
  await names.close();
  names.want(["c.com"]);
  await clock.pass(0);
  assert.deepEqual(names.asked, ["a.com", "b.com"]);
});
