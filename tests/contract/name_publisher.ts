import assert from "node:assert/strict";
import type { NamePublisher } from "../../src/names/hosts/publisher.ts";

/** A destination of names, for which several publishers can be made one after the other. */
export interface PublisherTarget extends AsyncDisposable {
  /** A new publisher that knows nothing of the earlier ones. */
  make(): NamePublisher;
  /** The published names, each with its address. */
  published(): Promise<ReadonlyMap<string, string>>;
  /** The reason why this publisher never publishes a name. @default {It does} */
  readonly publishesNothing?: string;
}

const NONE: ReadonlyMap<string, string> = new Map();
const TWO = new Map([["a.example", "127.107.0.2"], ["b.example", "127.107.0.3"]]);
const OTHER = new Map([["b.example", "127.107.0.9"], ["c.example", "127.107.0.4"]]);

/** The tests that every publisher must pass. */
export function testNamePublisher(what: string, open: () => Promise<PublisherTarget>): void {
  type Check = (names: ReadonlyMap<string, string>) => Promise<void>;
  function test(
    name: string,
    body: (target: PublisherTarget, assertPublished: Check) => Promise<void>,
  ): void {
    Deno.test(`${what}: ${name}`, async () => {
      await using target = await open();
      const expect = (names: ReadonlyMap<string, string>) =>
        target.publishesNothing === undefined ? names : NONE;
      await body(target, async (names) => assert.deepEqual(await target.published(), expect(names)));
    });
  }

  test("publish() publishes exactly these names and reports changes", async (target, assertPublished) => {
    const publisher = target.make();
    for (const names of [TWO, OTHER, NONE]) {
      const first = await publisher.publish(names);
      assert.deepEqual([first.changed, first.problem], [target.publishesNothing === undefined, undefined]);
      await assertPublished(names);
      const again = await publisher.publish(new Map([...names].reverse()));
      assert.deepEqual([again.changed, again.problem], [false, undefined]);
    }
  });

  test("publish() recognises the names of an earlier run", async (target, assertPublished) => {
    await target.make().publish(TWO);
    assert.equal((await target.make().publish(TWO)).changed, false);
    await assertPublished(TWO);
  });

  test(
    "publish() refuses only what is no host name with an IPv4 address",
    async (target, assertPublished) => {
      const bad: [string, string][] = [
        ["x\n6.6.6.6 y", "127.107.0.5"],
        ["../up", "127.107.0.5"],
        ["d.example", "nowhere"],
      ];
      const { refused } = await target.make().publish(new Map([...bad, ...TWO]));
      if (target.publishesNothing === undefined) {
        assert.deepEqual([...refused.keys()], bad.map(([name]) => name));
      }
      await assertPublished(TWO);
    },
  );

  test(
    "withdraw() removes the names of this and earlier runs, repeatedly",
    async (target, assertPublished) => {
      assert.equal((await target.make().withdraw()).changed, false);
      await target.make().publish(TWO);
      const publisher = target.make();
      assert.equal((await publisher.withdraw()).changed, target.publishesNothing === undefined);
      await assertPublished(NONE);
      const { changed, problem } = await publisher.withdraw();
      assert.deepEqual([changed, problem], [false, undefined]);
    },
  );

  test("the last of several overlapping publications wins", async (target, assertPublished) => {
    const publisher = target.make();
    await Promise.all([TWO, OTHER, TWO, NONE, OTHER].map((names) => publisher.publish(names)));
    await assertPublished(OTHER);
  });
}
