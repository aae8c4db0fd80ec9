import assert from "node:assert/strict";
import fc from "fast-check";
import { fitDomains, refusedNames, routingDomains } from "../../../src/names/resolver/routing_domains.ts";

const NAME = fc.array(fc.constantFrom("a", "b", "c", "db", "example"), { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join("."));

function covers(domains: readonly string[], name: string): boolean {
  return domains.some((domain) => domain === "." || name === domain || name.endsWith(`.${domain}`));
}

Deno.test("routingDomains() uses the suffix of a wildcard, and omits names below another", () => {
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

Deno.test("routingDomains() refuses names that could become a path, an option or another line", () => {
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

Deno.test("fitDomains() covers every name within the limit, or returns those that do not fit", () => {
  fc.assert(
    fc.property(fc.array(NAME, { maxLength: 40 }), fc.integer({ min: 1, max: 12 }), (names, max) => {
      const { domains } = routingDomains(names);
      const { domains: folded, left } = fitDomains(domains, max);
      assert.ok(folded.length <= max);
      if (domains.length <= max) assert.deepEqual(folded, domains);
      for (const name of names) assert.ok(covers([...folded, ...left], name), name);
      assert.ok(left.length === 0 || folded.length === max);
      for (const domain of folded) assert.ok(!covers(folded.filter((other) => other !== domain), domain));
    }),
    { seed: 4, numRuns: 300 },
  );
});

// It once routed the root, and so every name of the machine.
Deno.test("fitDomains() replaces the deepest names by parents, but never by a top level domain", () => {
  const deep = Array.from({ length: 300 }, (_, i) => `n${i}.lab.example.com`);
  assert.deepEqual(fitDomains([...deep, "x.org"], 256), { domains: ["lab.example.com", "x.org"], left: [] });
  const shallow = Array.from({ length: 300 }, (_, i) => `svc.n${i}`);
  const { domains, left } = fitDomains(shallow, 256);
  assert.deepEqual([domains.length, [...domains, ...left]], [256, shallow]);
});

Deno.test("refusedNames() gives the names of a refused domain and below it its reason", () => {
  const names = ["a.test", "*.b.test", "x.b.test", "c.test", "xb.test"];
  const refused = refusedNames(names, new Map([["b.test", "taken"], ["c.test", "full"]]));
  assert.deepEqual([...refused], [["*.b.test", "taken"], ["x.b.test", "taken"], ["c.test", "full"]]);
});
