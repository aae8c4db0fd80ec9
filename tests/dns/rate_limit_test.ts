import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { RateLimit } from "../../src/dns/rate_limit.ts";

function tally(limit: RateLimit, addresses: readonly string[]): Record<string, number> {
  const verdicts = Map.groupBy(addresses.map((address) => limit.count(address)), (verdict) => verdict);
  return Object.fromEntries([...verdicts].map(([verdict, all]) => [verdict, all.length]));
}

Deno.test("RateLimit answers 200 queries of a /24 per second, then 50 of each address with TC (R15)", () => {
  const clock = FakeTimers.install({ toFake: ["performance"] });
  try {
    const limit = new RateLimit();
    const network = Array.from({ length: 400 }, (_, index) => `192.168.1.${index < 340 ? 1 : 2 + index % 2}`);
    assert.deepEqual(tally(limit, network), { answer: 200, truncate: 110, drop: 90 });
    assert.equal(limit.count("192.168.2.1"), "answer", "another network");
    clock.tick(999);
    assert.notEqual(limit.count("192.168.1.1"), "answer");
    clock.tick(1);
    assert.deepEqual(tally(limit, network), { answer: 200, truncate: 110, drop: 90 });
  } finally {
    clock.uninstall();
  }
});

Deno.test("RateLimit counts at most maxNetworks networks", () => {
  const limit = new RateLimit({ maxNetworks: 2 });
  assert.deepEqual(tally(limit, ["10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.1.2"]), { answer: 3, drop: 1 });
});
