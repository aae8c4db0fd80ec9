import assert from "node:assert/strict";
import fc from "fast-check";
import { findOutside, readBlock, renderBlock, replaceBlock } from "../../../src/names/hosts/hosts_block.ts";
import { CLEAN_HOSTS, DAMAGED_HOSTS, MANAGED_HOSTS, someNames } from "./hosts_fixtures.ts";

function replaced(text: string, names: ReadonlyMap<string, string>): string {
  const result = replaceBlock(text, names);
  assert.ok("text" in result, "the file is sound");
  return result.text;
}

Deno.test("renderBlock() sorts its lines whatever the order of the names", () => {
  const names = new Map([["b.example", "10.107.0.3"], ["a.example", "10.107.0.3"], [
    "c.example",
    "10.107.0.2",
  ]]);
  const expected = "# BEGIN ngrokd managed section\n10.107.0.2\tc.example\n10.107.0.3\ta.example\n" +
    "10.107.0.3\tb.example\n# END ngrokd managed section\n";
  assert.equal(renderBlock(names), expected);
  assert.equal(renderBlock(new Map([...names].reverse())), expected);
  assert.equal(renderBlock(new Map()), "");
});

Deno.test("replaceBlock() sets the section off by a blank line", () => {
  assert.equal(
    replaced("a\n", new Map([["x.example", "10.0.0.1"]])),
    `a\n\n${renderBlock(new Map([["x.example", "10.0.0.1"]]))}`,
  );
});

for (const [name, original] of Object.entries(CLEAN_HOSTS)) {
  Deno.test(`replaceBlock() leaves every byte of the user: ${name}`, () => {
    assert.equal(replaced(original, new Map()), original, "0 names change nothing");
    let text = original;
    for (const count of [1, 1000, 2]) {
      text = replaced(text, someNames(count));
      assert.ok(text.startsWith(original), `${count} names stand below the user's text`);
      assert.deepEqual(readBlock(text), someNames(count));
      assert.equal(replaced(text, someNames(count)), text, "again changes nothing");
    }
    assert.equal(replaced(text, new Map()), original, "0 names give the original back");
  });
}

for (const [name, { text, without }] of Object.entries(MANAGED_HOSTS)) {
  Deno.test(`replaceBlock() finds its own section again: ${name}`, () => {
    assert.deepEqual(readBlock(text), new Map([["old.example", "10.107.0.9"]]));
    assert.equal(replaced(text, new Map()), without);
    const [before, after] = text.split(/# BEGIN[^]*END ngrokd managed section(?:\r?\n)?/);
    const next = replaced(replaced(text, someNames(1000)), someNames(1));
    assert.ok(next.startsWith(before!) && next.endsWith(after!), "the section stays where it stands");
    assert.deepEqual(readBlock(next), someNames(1));
    assert.equal(replaced(next, new Map()), without);
  });
}

for (const [name, { text, line, says }] of Object.entries(DAMAGED_HOSTS)) {
  Deno.test(`replaceBlock() refuses and names the line: ${name} (F9, F10)`, () => {
    for (const names of [new Map<string, string>(), someNames(3)]) {
      for (const variant of [text, text.replaceAll("\n", "\r\n")]) {
        const result = replaceBlock(variant, names);
        assert.ok("problem" in result);
        assert.equal(result.problem.line, line);
        assert.match(result.problem.message, says);
      }
    }
    assert.equal(readBlock(text), undefined);
    assert.deepEqual(findOutside(text, new Set(["a", "x", "old.example"])), new Map());
  });
}

Deno.test("replaceBlock() uses the file's line ends in the section", () => {
  const text = replaced("127.0.0.1 a\r\n", someNames(2));
  assert.equal(text.replaceAll("\r\n", "").includes("\n"), false);
  assert.equal(text.split("\r\n").length, 7);
});

Deno.test("replaceBlock() gives any file back when its names go", () => {
  const piece = fc.constantFrom(
    "a",
    "\n",
    "\r",
    "\r\n",
    " ",
    "#",
    "\u00ef\u00bb\u00bf",
    "127.0.0.1 b",
    "\u0000",
    "\u00ff",
  );
  const names = fc.integer({ min: 1, max: 5 }).map(someNames);
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), names, names, (pieces, first, second) => {
      const original = pieces.join("");
      const text = replaced(replaced(original, first), second);
      assert.deepEqual(readBlock(text), second);
      assert.equal(replaced(text, new Map()), original);
    }),
    { seed: 7, numRuns: 3000 },
  );
});

Deno.test("replaceBlock() keeps the user's lines apart that were written round the section", () => {
  const line = fc.constantFrom("10.0.0.1 a", "", "# note", " ");
  fc.assert(
    fc.property(fc.array(line, { maxLength: 4 }), fc.array(line, { maxLength: 4 }), (above, below) => {
      const before = above.join("\n");
      const after = below.join("\n");
      const removed = replaced(replaced(before, someNames(2)) + after, new Map());
      const lines = (text: string) => text.split("\n").filter((each) => each !== "");
      assert.deepEqual(lines(removed), [...lines(before), ...lines(after)]);
    }),
    { seed: 7, numRuns: 1000 },
  );
});

Deno.test("readBlock() takes what a user wrote into the section as a resolver would", () => {
  const text =
    "# BEGIN ngrokd managed section\n# note\n\n10.0.0.1 a b # c\n10.0.0.2\ta\nlonely\n# END ngrokd managed section";
  assert.deepEqual(readBlock(text), new Map([["a", "10.0.0.1"], ["b", "10.0.0.1"]]));
  assert.deepEqual(readBlock("127.0.0.1 localhost\n"), new Map());
});

Deno.test("findOutside() names the first line outside the section, on both sides of it", () => {
  const block = renderBlock(new Map([["a.example", "10.0.0.1"], ["b.example", "10.0.0.2"]]));
  const text =
    `\u00ef\u00bb\u00bf1.1.1.1 first\n# 1.1.1.1 b.example\n1.1.1.1 x A.Example. # a.example\n\n${block}1.1.1.1 c.example\n1.1.1.1 a.example`;
  const names = new Set(["a.example", "b.example", "c.example", "first", "1.1.1.1"]);
  assert.deepEqual(findOutside(text, names), new Map([["first", 1], ["a.example", 3], ["c.example", 9]]));
});

Deno.test("replaceBlock() and findOutside() are done with 100,000 lines in 1 s (F14)", () => {
  const text = CLEAN_HOSTS["100,000 lines"]!;
  const names = someNames(10_000);
  const start = performance.now();
  const full = replaced(text, names);
  findOutside(full, names);
  replaced(full, new Map());
  assert.ok(performance.now() - start < 1000);
});
