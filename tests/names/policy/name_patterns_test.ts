import assert from "node:assert/strict";
import { NamePatterns } from "../../../src/names/policy/name_patterns.ts";

Deno.test("NamePatterns finds a name and all below a *.suffix, but not the suffix", () => {
  const patterns = new NamePatterns(["nas.corp", "*.lan"]);
  for (const name of ["nas.corp", "tv.lan", "a.b.lan"]) assert.ok(patterns.find(name), name);
  for (const name of ["x.nas.corp", "corp", "lan", "evil-lan", "nas.corp.org"]) {
    assert.equal(patterns.find(name), undefined, name);
  }
});
