import assert from "node:assert/strict";
import type { Resolver, ResolverRequest } from "../../src/names/resolver/resolver.ts";

/** One place where the questions of a machine can be directed, on which several resolvers can be made one after the other. */
export interface ResolverPlace extends AsyncDisposable {
  /** A new resolver that knows nothing of the earlier ones. */
  make(): Resolver;
  /** What a resolver observes where the wish stands; undefined if it can do nothing at all. */
  seen(wish: ResolverRequest): ReadonlyMap<string, string> | undefined;
  /** Takes away what stands, as another program would. */
  trample(): Promise<void>;
}

const SERVER = { address: "10.107.0.1", port: 53 };
const NONE: ResolverRequest = { server: SERVER, domains: [] };
const TWO: ResolverRequest = { server: SERVER, domains: ["a.example", "*.wild.test"] };
const OTHER: ResolverRequest = {
  server: { address: "10.107.0.9", port: 53 },
  domains: ["wild.test", "c.example", "x.c.example"],
};

/** The tests that every resolver must pass. */
export function testResolver(what: string, open: () => Promise<ResolverPlace>): void {
  function test(name: string, body: (place: ResolverPlace) => Promise<void>): void {
    Deno.test(`${what}: ${name}`, async () => {
      await using place = await open();
      await body(place);
    });
  }

  test("apply() makes exactly this stand, and says whether it changed anything", async (place) => {
    const resolver = place.make();
    for (const wish of [TWO, OTHER, NONE]) {
      const able = place.seen(wish) !== undefined;
      const first = await resolver.apply(wish);
      assert.equal(first.changed, able);
      assert.equal(first.problem !== undefined, !able && wish !== NONE);
      assert.deepEqual(await resolver.observe(), place.seen(wish));
      const again = await resolver.apply({ ...wish, domains: wish.domains.toReversed() });
      assert.deepEqual([again.changed, again.problem, again.warnings], [false, first.problem, []]);
    }
  });

  test("observe() tells what stands, not what is remembered", async (place) => {
    const able = place.seen(TWO) !== undefined;
    await place.make().apply(TWO);
    const second = place.make();
    assert.equal((await second.apply(TWO)).changed, false);
    assert.deepEqual(await second.observe(), place.seen(TWO));
    await place.trample();
    assert.deepEqual(await second.observe(), place.seen(NONE));
    assert.equal((await second.apply(TWO)).changed, able);
    assert.deepEqual(await second.observe(), place.seen(TWO));
  });

  test("apply() refuses what is not a host name and takes the others", async (place) => {
    if (place.seen(TWO) === undefined) return;
    const resolver = place.make();
    const bad = ["../evil", "..", "a/b", ".", "", "x\n6.6.6.6 y", "-rf", "~.", "*.*.example"];
    const outcome = await resolver.apply({ ...TWO, domains: [...bad, ...TWO.domains] });
    assert.deepEqual([[...outcome.refused.keys()], outcome.problem], [bad, undefined]);
    assert.deepEqual(await resolver.observe(), place.seen(TWO));
    // Nothing but bad names is nothing at all.
    await resolver.apply({ ...TWO, domains: bad });
    assert.deepEqual(await resolver.observe(), place.seen(NONE));
  });

  test("withdraw() takes all away that is ours, also of an earlier run, any number of times", async (place) => {
    const able = place.seen(TWO) !== undefined;
    assert.equal((await place.make().withdraw()).changed, false);
    await place.make().apply(TWO);
    const resolver = place.make();
    assert.equal((await resolver.withdraw()).changed, able);
    assert.deepEqual(await place.make().observe(), place.seen(NONE));
    assert.deepEqual([(await resolver.withdraw()).changed, (await resolver.withdraw()).problem], [
      false,
      undefined,
    ]);
    // It can be used again.
    assert.equal((await resolver.apply(TWO)).changed, able);
  });

  test("the last of several attempts that overlap is the one that stands", async (place) => {
    const resolver = place.make();
    await Promise.all([TWO, OTHER, TWO, NONE, OTHER].map((wish) => resolver.apply(wish)));
    assert.deepEqual(await resolver.observe(), place.seen(OTHER));
  });
}
