import assert from "node:assert/strict";
import fc from "fast-check";
import { foldDomains, routingDomains } from "../../src/names/routing_domains.ts";

const NAME = fc.array(fc.constantFrom("a", "b", "c", "db", "example"), { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join("."));

function covers(domains: readonly string[], name: string): boolean {
  return domains.some((domain) => domain === "." || name === domain || name.endsWith(`.${domain}`));
}

Deno.test("routingDomains() takes a wildcard for its suffix, and leaves out what lies below another", () => {
  const { domains, refused } = routingDomains([
    "b.test",
    "*.a.test",
    "x.a.test",
    "a.test",
    "ba.test",
    "b.test",
  ]);
  assert.deepEqual([domains, refused.size], [["a.test", "b.test", "ba.test"], 0]);
});

Deno.test("routingDomains() refuses what could become a path, an option or another line", () => {
  const bad = [
    "../evil",
    "a/../../b",
    "/etc/passwd",
    "-rf",
    "a b",
    "a\nb",
    "",
    ".",
    "a..b",
    "A.test",
    "1.2.3.4",
  ];
  const { domains, refused } = routingDomains([...bad, "good.test"]);
  assert.deepEqual([domains, [...refused.keys()]], [["good.test"], bad]);
});

Deno.test("foldDomains() covers every name with no more domains than asked for", () => {
  fc.assert(
    fc.property(fc.array(NAME, { maxLength: 40 }), fc.integer({ min: 1, max: 12 }), (names, max) => {
      const { domains } = routingDomains(names);
      const folded = foldDomains(domains, max);
      assert.ok(folded.length <= max);
      if (domains.length <= max) assert.deepEqual(folded, domains);
      for (const name of names) assert.ok(covers(folded, name), name);
      for (const domain of folded) assert.ok(!covers(folded.filter((other) => other !== domain), domain));
    }),
    { seed: 4, numRuns: 300 },
  );
});

Deno.test("foldDomains() gives parents for the deepest names, and everything before a top level domain", () => {
  const deep = Array.from({ length: 300 }, (_, i) => `n${i}.lab.example.com`);
  assert.deepEqual(foldDomains([...deep, "x.org"], 256), ["lab.example.com", "x.org"]);
  assert.deepEqual(foldDomains(Array.from({ length: 300 }, (_, i) => `n${i}.com`), 256), ["."]);
});
