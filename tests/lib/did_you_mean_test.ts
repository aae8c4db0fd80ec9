import assert from "node:assert/strict";
import fc from "fast-check";
import { didYouMean } from "../../src/lib/did_you_mean.ts";

const COMMANDS = ["status", "list", "health", "set-api-key", "refresh-cert", "config", "version", "help"];

Deno.test("didYouMean() finds the word behind a slip of the fingers", () => {
  const slips = {
    stauts: "status",
    statsu: "status",
    lsit: "list",
    lis: "list",
    helth: "health",
    "set-apikey": "set-api-key",
    LIST: "list",
    versoin: "version",
  };
  for (const [slip, word] of Object.entries(slips)) assert.equal(didYouMean(slip, COMMANDS), word, slip);
});

Deno.test("didYouMean() says nothing when no word is near", () => {
  for (const word of ["frobnicate", "ls", "delete", "", "xyz"]) {
    assert.equal(didYouMean(word, COMMANDS), undefined, word);
  }
  assert.equal(didYouMean("list", []), undefined);
});

Deno.test("didYouMean() prefers the nearest, and of equals the first", () => {
  assert.equal(didYouMean("net.subnets", ["net.subset", "net.subnet"]), "net.subnet");
  assert.equal(didYouMean("bat", ["cat", "hat"]), "cat");
});

Deno.test("didYouMean() always finds a candidate itself, and one with a letter dropped, doubled or swapped", () => {
  const candidate = fc.stringMatching(/^[a-z]{3,12}$/);
  fc.assert(
    fc.property(candidate, fc.nat(), (word, place) => {
      const at = place % (word.length - 1);
      const swapped = word.slice(0, at) + word[at + 1]! + word[at]! + word.slice(at + 2);
      for (
        const slip of [
          word,
          word.slice(0, at) + word.slice(at + 1),
          word.slice(0, at) + word[at] + word.slice(at),
          swapped,
        ]
      ) {
        assert.equal(didYouMean(slip, [word]), word, slip);
      }
    }),
    { seed: 20260104, numRuns: 300 },
  );
});
