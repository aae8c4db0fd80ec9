import assert from "node:assert/strict";
import { SourceShares } from "../../../src/forward/admission/source_shares.ts";

Deno.test("SourceShares keep one client of the network from taking the places of others (one could hold all 2,048)", () => {
  const shares = new SourceShares(2);
  const greedy = { peer: "192.168.1.66", local: "192.168.1.2" };
  const first = shares.take(greedy);
  assert.ok(first);
  assert.ok(shares.take(greedy));
  assert.equal(shares.take(greedy), undefined);
  assert.ok(shares.take({ peer: "192.168.1.7", local: "192.168.1.2" }));
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.ok(shares.take(greedy));
  assert.equal(shares.take(greedy), undefined);
});

Deno.test("SourceShares leave the programs of this machine alone", () => {
  const shares = new SourceShares(1);
  for (let number = 0; number < 3; number++) {
    assert.ok(shares.take({ peer: "10.107.0.2", local: "10.107.0.2" }));
    assert.ok(shares.take({ peer: "127.0.0.1", local: "10.107.0.2" }));
  }
});
