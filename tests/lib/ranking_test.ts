import assert from "node:assert/strict";
import fc from "fast-check";
import { Ranking } from "../../src/lib/ranking.ts";

Deno.test("Ranking names the thing with the highest count, whatever is counted", () => {
  const steps = fc.array(fc.record({ thing: fc.integer({ min: 0, max: 5 }), up: fc.boolean() }), {
    maxLength: 200,
  });
  fc.assert(fc.property(steps, (all) => {
    const ranking = new Ranking<number>();
    const counts = Array<number>(6).fill(0);
    for (const { thing, up } of all) {
      if (!up && counts[thing] === 0) continue;
      counts[thing]! += up ? 1 : -1;
      if (up) ranking.add(thing);
      else assert.equal(ranking.remove(thing), counts[thing]);
      const most = Math.max(...counts);
      assert.equal(ranking.countOf(ranking.first ?? 0), most);
      assert.equal(ranking.first === undefined, most === 0);
    }
  }));
});

Deno.test("Ranking prefers, among equals, the one that has had its count the longest", () => {
  const ranking = new Ranking<string>();
  for (const thing of ["a", "b", "b", "a"]) ranking.add(thing);
  assert.equal(ranking.first, "b");
  ranking.remove("b");
  assert.equal(ranking.first, "a");
});
