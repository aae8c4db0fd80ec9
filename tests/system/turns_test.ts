import assert from "node:assert/strict";
import { nextTurn, Turns } from "../../src/system/turns.ts";

Deno.test("Turns gives each source one turn of the event loop after the other", async () => {
  const turns = new Turns();
  const order: string[] = [];
  const all = ["a", "a", "a", "b", "a", "c", "b"].map(async (source) => {
    await turns.take(source);
    order.push(source);
  });
  await Promise.resolve();
  assert.deepEqual(order, ["a"], "only the first work may run now");
  await Promise.all(all);
  assert.equal(order.join(""), "aabcaba");
  await nextTurn();
  await nextTurn();
  let isNow = false;
  void turns.take("a").then(() => isNow = true);
  await Promise.resolve();
  assert.ok(isNow, "an idle loop gives a turn at once");
  await nextTurn();
});
