import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { Addresses } from "../../src/network/addresses.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { driverOn, FakeIp } from "./fake_ip.ts";

// Each connection of a peer outside the allowed networks listed the interfaces.
Deno.test("OwnAddresses lists the addresses once a second, and again after a failure (R70)", async () => {
  using clock = fakeClock();
  let lists = 0;
  let result: readonly string[] | Error = ["192.0.2.2"];
  const addresses = new Addresses({
    driver: driverOn(new FakeIp()),
    subnet: parseCidr("10.107.0.0/16")!,
    memory: {
      recall: () => Promise.resolve(undefined),
      remember: () => Promise.resolve(),
      problem: undefined,
    },
    allowed: () => [],
    ownAddresses() {
      lists++;
      if (result instanceof Error) throw result;
      return result;
    },
  });
  const own = { has: (peer: string) => addresses.admits(peer, "0.0.0.0:80") };
  for (let peer = 0; peer < 1000; peer++) assert.equal(own.has(`198.51.100.${peer % 256}`), false);
  result = ["192.0.2.3"];
  assert.deepEqual([own.has("192.0.2.2"), own.has("192.0.2.3"), lists], [true, false, 1]);
  await clock.pass(1000);
  assert.deepEqual([own.has("192.0.2.2"), own.has("192.0.2.3"), lists], [false, true, 2]);
  await clock.pass(1000);
  result = new Error("Too many open files");
  assert.throws(() => own.has("192.0.2.3"), /Too many/);
  result = ["192.0.2.4"];
  assert.equal(own.has("192.0.2.4"), true);
});
