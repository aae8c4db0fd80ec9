import assert from "node:assert/strict";
import { AllowedNames } from "../../src/dns/allowed_names.ts";

/** A list that counts how often it is read. */
class CountedList extends Array<string> {
  reads = 0;

  override filter(...args: Parameters<string[]["filter"]>): string[] {
    this.reads++;
    return [...this].filter(...args);
  }
}

Deno.test("AllowedNames reads the list once for each configuration, not for each name", () => {
  let list = CountedList.of("nas.corp", "*.lan") as CountedList;
  const names = new AllowedNames(() => list);
  const first = list;
  const has = () => ["nas.corp", "a.lan", "lan", "evil.org"].map((name) => names.has(name));
  assert.deepEqual(has(), [true, true, false, false]);
  const { reads } = first;
  for (let count = 0; count < 100; count++) has();
  assert.equal(first.reads, reads);
  list = CountedList.of("evil.org") as CountedList;
  assert.deepEqual(has(), [false, false, false, true]);
});
