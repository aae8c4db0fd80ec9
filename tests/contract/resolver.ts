import assert from "node:assert/strict";
import type { Resolver, ResolverRequest } from "../../src/names/resolver/resolver.ts";

/** The DNS settings of a machine, for which several resolvers can be made one after the other. */
export interface ResolverTarget extends AsyncDisposable {
  /** A new resolver that knows nothing of the earlier ones. */
  make(): Resolver;
  /** The settings of ngrokd: domain → server. */
  settings(): Promise<ReadonlyMap<string, string>>;
  /** The settings that a request must lead to. */
  expected(request: ResolverRequest): ReadonlyMap<string, string>;
  /** Removes the settings of ngrokd as another program would. */
  overwrite(): Promise<void>;
  /** The reason why this resolver never changes anything. @default {It does} */
  readonly changesNothing?: string;
}

const SERVER = { address: "10.107.0.1", port: 53 };
const NONE: ResolverRequest = { server: SERVER, domains: [] };
const TWO: ResolverRequest = { server: SERVER, domains: ["a.example", "*.wild.test"] };
const OTHER: ResolverRequest = {
  server: { address: "10.107.0.9", port: 53 },
  domains: ["wild.test", "c.example", "x.c.example"],
};

/** The tests that every resolver must pass. */
export function testResolver(what: string, open: () => Promise<ResolverTarget>): void {
  type Check = (request: ResolverRequest) => Promise<void>;
  interface Case {
    readonly target: ResolverTarget;
    readonly works: boolean;
    readonly assertSettings: Check;
  }
  function test(name: string, body: (it: Case) => Promise<void>): void {
    Deno.test(`${what}: ${name}`, async () => {
      await using target = await open();
      const works = target.changesNothing === undefined;
      const assertSettings: Check = async (request) =>
        assert.deepEqual(await target.settings(), works ? target.expected(request) : new Map());
      await body({ target, works, assertSettings });
    });
  }

  test("apply() makes exactly the requested settings and reports changes", async (it) => {
    const resolver = it.target.make();
    for (const request of [TWO, OTHER, NONE]) {
      const first = await resolver.apply(request);
      assert.equal(first.changed, it.works);
      assert.equal(first.problem !== undefined, !it.works && request !== NONE);
      await it.assertSettings(request);
      const again = await resolver.apply({ ...request, domains: request.domains.toReversed() });
      assert.deepEqual([again.changed, again.problem], [false, first.problem]);
    }
  });

  test("apply() recognises the settings of an earlier run and restores lost ones", async (it) => {
    await it.target.make().apply(TWO);
    const second = it.target.make();
    assert.equal((await second.apply(TWO)).changed, false);
    await it.assertSettings(TWO);
    await it.target.overwrite();
    await it.assertSettings(NONE);
    assert.equal((await second.apply(TWO)).changed, it.works);
    await it.assertSettings(TWO);
  });

  test("apply() refuses only what is no host name", async (it) => {
    const resolver = it.target.make();
    const bad = ["../evil", "..", "a/b", ".", "", "x\n6.6.6.6 y", "-rf", "~.", "*.*.example"];
    const outcome = await resolver.apply({ ...TWO, domains: [...bad, ...TWO.domains] });
    if (it.works) assert.deepEqual([[...outcome.refused.keys()], outcome.problem], [bad, undefined]);
    await it.assertSettings(TWO);
    // Bad names alone are like no names.
    await resolver.apply({ ...TWO, domains: bad });
    await it.assertSettings(NONE);
  });

  test("withdraw() removes the settings of this and earlier runs, repeatedly", async (it) => {
    assert.equal((await it.target.make().withdraw()).changed, false);
    await it.target.make().apply(TWO);
    const resolver = it.target.make();
    assert.equal((await resolver.withdraw()).changed, it.works);
    await it.assertSettings(NONE);
    const { changed, problem } = await resolver.withdraw();
    assert.deepEqual([changed, problem], [false, undefined]);
    assert.equal((await resolver.apply(TWO)).changed, it.works, "it can be used again");
  });

  test("the last of several overlapping requests wins", async (it) => {
    const resolver = it.target.make();
    await Promise.all([TWO, OTHER, TWO, NONE, OTHER].map((request) => resolver.apply(request)));
    await it.assertSettings(OTHER);
  });
}
