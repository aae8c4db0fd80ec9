import assert from "node:assert/strict";
import { UnroutedConnections } from "../../../src/forward/admission/unrouted_connections.ts";
import { fakeClock } from "../../fakes/fake_clock.ts";

function start(max: number) {
  const unrouted = new UnroutedConnections({ max, crowdMs: 5000 });
  const evicted: string[] = [];
  return {
    unrouted,
    evicted,
    enter: (peer: string, name = peer) => unrouted.enter(peer, () => void evicted.push(name)),
  };
}

Deno.test("UnroutedConnections evicts the oldest of the client with the most connections (F65)", async () => {
  using clock = fakeClock();
  const { unrouted, evicted, enter } = start(10);
  enter("10.0.0.2");
  enter("10.0.0.3");
  for (let number = 1; number <= 8; number++) enter("10.0.0.66", `flood ${number}`);
  assert.deepEqual(evicted, []);
  await clock.pass(500);
  enter("10.0.0.66", "flood 9");
  enter("10.0.0.4");
  enter("10.0.0.5");
  assert.deepEqual(evicted, ["flood 1", "flood 2", "flood 3"]);
  assert.equal(unrouted.size, 10);
  await clock.pass(5000);
});

Deno.test("UnroutedConnections evicts the oldest of all if no client has more than others", async () => {
  using clock = fakeClock();
  const { evicted, enter } = start(4);
  for (let client = 1; client <= 6; client++) {
    enter(`10.0.0.${client}`);
    await clock.pass(200);
  }
  assert.deepEqual(evicted, ["10.0.0.1", "10.0.0.2"]);
  await clock.pass(5000);
});

Deno.test("UnroutedConnections limits only connections that saw a crowd to the time of a hello (F65)", async () => {
  using clock = fakeClock();
  const { unrouted, evicted, enter } = start(8);
  using _alone = enter("10.0.0.2");
  await clock.pass(5000);
  const crowd = [1, 2, 3].map((number) => enter("10.0.0.66", `${number}`));
  await clock.pass(4999);
  assert.deepEqual(evicted, []);
  crowd[1]![Symbol.dispose]();
  await clock.pass(1);
  assert.deepEqual(evicted, ["1", "3"]);
  assert.equal(unrouted.size, 1);
});

// In the first storm, honest clients were evicted too.
Deno.test("UnroutedConnections evicts no connection in its first half second", async () => {
  using clock = fakeClock();
  const { unrouted, evicted, enter } = start(10);
  for (let number = 1; number <= 30; number++) enter("10.0.0.66", `${number}`);
  await clock.pass(499);
  enter("10.0.0.2");
  assert.equal(unrouted.size, 31);
  await clock.pass(1);
  enter("10.0.0.2");
  assert.equal(unrouted.size, 10);
  assert.deepEqual(evicted, Array.from({ length: 22 }, (_, number) => `${number + 1}`));
  await clock.pass(5000);
});

Deno.test("UnroutedConnections counts a connection that left or was evicted only once", async () => {
  using clock = fakeClock();
  const { unrouted, evicted, enter } = start(1);
  const first = enter("10.0.0.2", "first");
  await clock.pass(500);
  const second = enter("10.0.0.2", "second");
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  second[Symbol.dispose]();
  assert.deepEqual([unrouted.size, ...evicted], [0, "first"]);
  await clock.pass(5000);
});
