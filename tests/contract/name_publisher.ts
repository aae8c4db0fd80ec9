import assert from "node:assert/strict";
import type { NamePublisher } from "../../src/names/hosts/publisher.ts";

/** One place where names can be published, on which several publishers can be made one after the other. */
export interface PublisherPlace extends AsyncDisposable {
  /** A new publisher that knows nothing of the earlier ones. */
  make(): NamePublisher;
}

const TWO = new Map([["a.example", "127.107.0.2"], ["b.example", "127.107.0.3"]]);
const OTHER = new Map([["b.example", "127.107.0.9"], ["c.example", "127.107.0.4"]]);

/** The tests that every publisher must pass. */
export function testNamePublisher(what: string, open: () => Promise<PublisherPlace>): void {
  function test(name: string, body: (place: PublisherPlace) => Promise<void>): void {
    Deno.test(`${what}: ${name}`, async () => {
      await using place = await open();
      await body(place);
    });
  }

  /** What a publisher observes if these names stand: one that is off observes nothing. */
  function seen(
    publisher: NamePublisher,
    names: ReadonlyMap<string, string>,
  ): ReadonlyMap<string, string> | undefined {
    return publisher.off === undefined ? names : undefined;
  }

  test("publish() makes exactly these names stand, and says whether it changed anything", async (place) => {
    const publisher = place.make();
    for (const names of [TWO, OTHER, new Map()]) {
      const first = await publisher.publish(names);
      assert.deepEqual([first.changed, first.problem], [publisher.off === undefined, undefined]);
      assert.deepEqual(await publisher.observe(), seen(publisher, names));
      const again = await publisher.publish(new Map([...names].reverse()));
      assert.deepEqual([again.changed, again.problem, again.warnings], [false, undefined, []]);
    }
  });

  test("observe() tells what stands, not what is remembered", async (place) => {
    assert.deepEqual(await place.make().observe(), seen(place.make(), new Map()));
    await place.make().publish(TWO);
    assert.deepEqual(await place.make().observe(), seen(place.make(), TWO));
    assert.equal((await place.make().publish(TWO)).changed, false);
  });

  test("publish() refuses what is not a host name with an IPv4 address and publishes the others", async (place) => {
    const publisher = place.make();
    const bad = new Map([["x\n6.6.6.6 y", "127.107.0.5"], ["../up", "127.107.0.5"], [
      "d.example",
      "nowhere",
    ]]);
    const outcome = await publisher.publish(new Map([...bad, ...TWO]));
    if (publisher.off === undefined) assert.deepEqual([...outcome.refused.keys()], [...bad.keys()]);
    assert.deepEqual(await publisher.observe(), seen(publisher, TWO));
  });

  test("withdraw() takes all away that is ours, also of an earlier run, any number of times", async (place) => {
    assert.equal((await place.make().withdraw()).changed, false);
    await place.make().publish(TWO);
    const publisher = place.make();
    assert.equal((await publisher.withdraw()).changed, publisher.off === undefined);
    assert.deepEqual(await publisher.observe(), seen(publisher, new Map()));
    assert.deepEqual([(await publisher.withdraw()).changed, (await publisher.withdraw()).problem], [
      false,
      undefined,
    ]);
  });

  test("the last of several publications that overlap is the one that stands", async (place) => {
    const publisher = place.make();
    await Promise.all([TWO, OTHER, TWO, new Map(), OTHER].map((names) => publisher.publish(names)));
    assert.deepEqual(await publisher.observe(), seen(publisher, OTHER));
  });
}
