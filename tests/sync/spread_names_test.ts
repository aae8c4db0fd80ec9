import assert from "node:assert/strict";
import { NOT_SPREAD, type SpreadNames, spreadNames } from "../../src/sync/spread_names.ts";
import { ANY_NAME } from "../fakes/sync_effects.ts";

const ONE = "192.0.2.1";
const TWO = "192.0.2.2";
const THREE = "192.0.2.3";

function spread(
  names: string,
  addresses: readonly string[],
  known: SpreadNames = NOT_SPREAD,
  ...missing: string[]
): SpreadNames {
  const candidates = { present: addresses.filter((each) => !missing.includes(each)), kept: addresses };
  const wanted = new Map(names === "" ? [] : names.split(" ").map((name) => [name, candidates]));
  return spreadNames(wanted, { addresses, known, missing: new Set(missing), pinned: new Map(), ...ANY_NAME });
}

/** The addresses of these names, by the last number. */
function numbers({ names }: SpreadNames, hostnames: string): string {
  return hostnames.split(" ").map((name) => names.get(name)?.at(-1) ?? "-").join(" ");
}

Deno.test("spreadNames() separates names that one certificate could be for, and only these", () => {
  for (
    const [names, expected] of [
      // A certificate for *.a.com is for both; often it is for a.com too.
      ["x.a.com y.a.com", "1 2"],
      ["a.com x.a.com", "1 2"],
      ["*.a.com x.a.com", "1 2"],
      ["x.a.com y.a.com z.a.com", "1 2 1"],
      // No certificate is for *.com, *.co.uk or *.internal.
      ["a.com b.com c.com", "1 2 1"],
      ["x.a.com x.b.com y.a.com y.b.com", "1 2 2 1"],
      ["x.a.com y.x.b.com y.a.com", "1 2 2"],
    ]
  ) {
    assert.equal(numbers(spread(names!, [ONE, TWO]), names!), expected, names);
  }
});

Deno.test("spreadNames() keeps the address of a name while others come, go and come back (R92)", () => {
  const first = spread("x.a.com y.a.com", [ONE, TWO]);
  const gone = spread("y.a.com", [ONE, TWO], first);
  const come = spread("a.a.com y.a.com z.a.com", [ONE, TWO], gone);
  assert.equal(numbers(come, "y.a.com"), "2");
  const back = spread("x.a.com a.a.com y.a.com z.a.com", [TWO, ONE], come);
  assert.equal(numbers(back, "x.a.com y.a.com a.a.com"), "1 2 1");
  assert.deepEqual([...spread("", [], back).names], [...back.names], "also while the key is absent");
});

Deno.test("spreadNames() gives a new name no address of an absent one while another is free", () => {
  const known = spread("y.a.com", [ONE, TWO, THREE], spread("x.a.com y.a.com", [ONE, TWO, THREE]));
  assert.equal(numbers(spread("y.a.com z.a.com", [ONE, TWO, THREE], known), "z.a.com"), "3");
});

Deno.test("spreadNames() moves names that share an address when the configuration has another one", () => {
  const crowded = spread("x.a.com y.a.com z.a.com w.b.com", [ONE, TWO]);
  assert.equal(numbers(crowded, "x.a.com y.a.com z.a.com w.b.com"), "1 2 1 2");
  const more = spread("x.a.com y.a.com z.a.com w.b.com", [ONE, TWO, THREE], crowded);
  assert.equal(numbers(more, "x.a.com y.a.com z.a.com w.b.com"), "1 2 3 2");
  const fewer = spread("x.a.com y.a.com z.a.com w.b.com", [TWO, THREE], more);
  assert.equal(numbers(fewer, "y.a.com z.a.com w.b.com"), "2 3 2", "only the names of 192.0.2.1 move");
});

// A name moved to the first address that was as crowded as its own.
Deno.test("spreadNames() moves no name that would share its new address with as many others", () => {
  const names = "a.a.com b.a.com c.a.com d.a.com";
  const crowded = spread(names, [TWO]);
  assert.equal(numbers(spread(names, [ONE, TWO, THREE], crowded), names), "2 1 3 2");
});

Deno.test("spreadNames() gives no name an address that is missing, and keeps those that have it", () => {
  const both = spread("x.a.com y.a.com", [ONE, TWO]);
  const away = spread("x.a.com y.a.com z.a.com", [ONE, TWO], both, TWO);
  assert.equal(numbers(away, "x.a.com y.a.com z.a.com"), "1 2 1");
  assert.deepEqual(
    spread("x.a.com y.a.com z.a.com", [ONE, TWO], away),
    away,
    "nothing moves when it is back",
  );
  assert.equal(numbers(spread("x.a.com", [ONE], NOT_SPREAD, ONE), "x.a.com"), "-");
  // At a start before the network is complete, all names get the one address that is there.
  const early = spread("x.a.com y.a.com", [ONE, TWO], NOT_SPREAD, TWO);
  assert.equal(numbers(early, "x.a.com y.a.com"), "1 1");
  assert.equal(numbers(spread("x.a.com y.a.com", [ONE, TWO], early), "x.a.com y.a.com"), "1 2");
});

Deno.test("spreadNames() keeps the names that are absent longest first", () => {
  const all = spread("a.a.com b.a.com c.a.com", [ONE]);
  const later = spread("b.a.com", [ONE], spread("a.a.com b.a.com", [ONE], all));
  assert.deepEqual([...later.names.keys()], ["c.a.com", "a.a.com", "b.a.com"]);
});

Deno.test("spreadNames() spreads 5,000 names evenly, and keeps 10,000", () => {
  const names = (prefix: string) =>
    Array.from({ length: 5000 }, (_, index) => `${prefix}${index}.a.com`).join(" ");
  let known = spread(names("a"), [ONE, TWO]);
  assert.equal([...known.names.values()].filter((address) => address === ONE).length, 2500);
  for (const prefix of ["b", "c"]) known = spread(names(prefix), [ONE, TWO], known);
  assert.equal(known.names.size, 10_000);
  assert.ok(known.names.has("c0.a.com") && known.names.has("b0.a.com") && !known.names.has("a0.a.com"));
});
