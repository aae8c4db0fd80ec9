import assert from "node:assert/strict";
import fc from "fast-check";
import { didYouMean } from "../../src/lib/did_you_mean.ts";

const COMMANDS = ["status", "list", "health", "set-api-key", "refresh-cert", "config", "version", "help"];

Deno.test("didYouMean() finds the word behind a typing error", () => {
  const typos = {
    stauts: "status",
    statsu: "status",
    lsit: "list",
    lis: "list",
    helth: "health",
    "set-apikey": "set-api-key",
    LIST: "list",
    versoin: "version",
  };
  for (const [typo, word] of Object.entries(typos)) assert.equal(didYouMean(typo, COMMANDS), word, typo);
});

Deno.test("didYouMean() returns undefined if no word is similar", () => {
  for (const word of ["frobnicate", "ls", "delete", "", "xyz"]) {
    assert.equal(didYouMean(word, COMMANDS), undefined, word);
  }
  assert.equal(didYouMean("list", []), undefined);
});

Deno.test("didYouMean() prefers the most similar word, and of equals the first", () => {
  assert.equal(didYouMean("net.subnets", ["net.subset", "net.subnet"]), "net.subnet");
  assert.equal(didYouMean("bat", ["cat", "hat"]), "cat");
});

Deno.test("didYouMean() finds any word, also with a letter dropped, doubled or swapped", () => {
  const candidate = fc.stringMatching(/^[a-z]{3,12}$/);
  fc.assert(
    fc.property(candidate, fc.nat(), (word, position) => {
      const at = position % (word.length - 1);
      const swapped = word.slice(0, at) + word[at + 1]! + word[at]! + word.slice(at + 2);
      const dropped = word.slice(0, at) + word.slice(at + 1);
      const doubled = word.slice(0, at) + word[at] + word.slice(at);
      for (const typo of [word, dropped, doubled, swapped]) {
        assert.equal(didYouMean(typo, [word]), word, typo);
      }
    }),
    { seed: 20260104, numRuns: 300 },
  );
});
