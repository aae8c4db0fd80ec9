import assert from "node:assert/strict";
import fc from "fast-check";
import { findOutside, renderBlock, replaceBlock } from "../../../src/names/hosts/hosts_block.ts";
import { CLEAN_HOSTS, DAMAGED_HOSTS, MANAGED_HOSTS, readBlock, someNames } from "./hosts_texts.ts";
import { cpuTimeMs } from "../../fakes/cpu_time.ts";

function replaced(text: string, names: ReadonlyMap<string, string>): string {
  const result = replaceBlock(text, names);
  assert.ok("text" in result, "the file is not damaged");
  return result.text;
}

Deno.test("renderBlock() sorts its lines", () => {
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

Deno.test("replaceBlock() puts a blank line before the section", () => {
  assert.equal(
    replaced("a\n", new Map([["x.example", "10.0.0.1"]])),
    `a\n\n${renderBlock(new Map([["x.example", "10.0.0.1"]]))}`,
  );
});

for (const [name, original] of Object.entries(CLEAN_HOSTS)) {
  Deno.test(`replaceBlock() keeps every byte of the user: ${name}`, () => {
    assert.equal(replaced(original, new Map()), original, "0 names change nothing");
    let text = original;
    for (const count of [1, 1000, 2]) {
      text = replaced(text, someNames(count));
      assert.ok(text.startsWith(original), `${count} names are below the user's text`);
      assert.deepEqual(readBlock(text), someNames(count));
      assert.equal(replaced(text, someNames(count)), text, "the same names change nothing");
    }
    assert.equal(replaced(text, new Map()), original, "0 names restore the original");
  });
}

for (const [name, { text, without }] of Object.entries(MANAGED_HOSTS)) {
  Deno.test(`replaceBlock() finds its section: ${name}`, () => {
    assert.deepEqual(readBlock(text), new Map([["old.example", "10.107.0.9"]]));
    assert.equal(replaced(text, new Map()), without);
    const [before, after] = text.split(/# BEGIN[^]*END ngrokd managed section(?:\r?\n)?/);
    const next = replaced(replaced(text, someNames(1000)), someNames(1));
    assert.ok(next.startsWith(before!) && next.endsWith(after!), "the section keeps its place");
    assert.deepEqual(readBlock(next), someNames(1));
    assert.equal(replaced(next, new Map()), without);
  });
}

for (const [name, { text, line, message }] of Object.entries(DAMAGED_HOSTS)) {
  Deno.test(`replaceBlock() refuses a damaged file and names the line: ${name} (F9, F10)`, () => {
    for (const names of [new Map<string, string>(), someNames(3)]) {
      for (const variant of [text, text.replaceAll("\n", "\r\n")]) {
        const result = replaceBlock(variant, names);
        assert.ok("problem" in result);
        assert.equal(result.problem.line, line);
        assert.match(result.problem.message, message);
      }
    }
    assert.deepEqual(findOutside(text, new Set(["a", "x", "old.example"])), new Map());
  });
}

Deno.test("replaceBlock() uses the file's line ends in the section", () => {
  const text = replaced("127.0.0.1 a\r\n", someNames(2));
  assert.equal(text.replaceAll("\r\n", "").includes("\n"), false);
  assert.equal(text.split("\r\n").length, 7);
});

Deno.test("replaceBlock() restores any file when its names are removed", () => {
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

Deno.test("replaceBlock() joins no lines of the user when it removes the section", () => {
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

Deno.test("findOutside() names the first line outside the section, before or after it", () => {
  const block = renderBlock(new Map([["a.example", "10.0.0.1"], ["b.example", "10.0.0.2"]]));
  const text =
    `\u00ef\u00bb\u00bf1.1.1.1 first\n# 1.1.1.1 b.example\n1.1.1.1 x A.Example. # a.example\n\n${block}1.1.1.1 c.example\n1.1.1.1 a.example`;
  const names = new Set(["a.example", "b.example", "c.example", "first", "1.1.1.1"]);
  assert.deepEqual(findOutside(text, names), new Map([["first", 1], ["a.example", 3], ["c.example", 9]]));
});

Deno.test("replaceBlock() and findOutside() take at most 1 s for 100,000 lines (F14)", () => {
  const text = CLEAN_HOSTS["100,000 lines"]!;
  const names = someNames(10_000);
  const start = cpuTimeMs();
  const full = replaced(text, names);
  findOutside(full, names);
  replaced(full, new Map());
  assert.ok(cpuTimeMs() - start < 1000);
});
