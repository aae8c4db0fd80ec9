import assert from "node:assert/strict";
import { matchesHostPattern } from "../../src/lib/host_pattern.ts";

Deno.test("matchesHostPattern() finds a name and all below a *.suffix, but not the suffix", () => {
  const patterns = ["nas.corp", "*.lan"];
  for (const name of ["nas.corp", "tv.lan", "a.b.lan"]) assert.ok(matchesHostPattern(name, patterns), name);
  for (const name of ["x.nas.corp", "corp", "lan", "evil-lan", "nas.corp.org"]) {
    assert.ok(!matchesHostPattern(name, patterns), name);
  }
});
