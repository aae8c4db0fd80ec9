import assert from "node:assert/strict";
import { nextTurn, TURN_MS, Turns } from "../../src/system/turns.ts";
import { listenUdp } from "../../src/system/udp.ts";

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

// Each packet waited for 22 turns.
Deno.test("Turns pauses, so that the packets of others arrive between busy turns (R78)", async () => {
  const turns = new Turns();
  const [near, far] = ["near", "far"].map(() => listenUdp({ address: "127.0.0.1", port: 0 }));
  let count = 0;
  let isDone = false;
  const busy = ["a", "b"].map(async (source) => {
    while (!isDone) {
      await turns.take(source);
      for (const end = performance.now() + TURN_MS; performance.now() < end;);
      count++;
    }
  });
  for (let packets = 0; packets < 5; packets++) {
    await near!.send(new Uint8Array(1), { hostname: "127.0.0.1", port: far!.port });
    await far!.receive(new Uint8Array(1));
  }
  isDone = true;
  await Promise.all(busy);
  for (const socket of [near, far]) socket!.close();
  assert.ok(count < 50, `${count} turns for 5 packets`);
});
