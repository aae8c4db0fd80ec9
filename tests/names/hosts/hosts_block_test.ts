import assert from "node:assert/strict";
import fc from "fast-check";
import { NO_RECORD } from "../../../src/names/hosts/own_lines.ts";
import { findOutside, renderBlock, replaceBlock } from "../../../src/names/hosts/hosts_block.ts";
import { BROKEN_HOSTS, CLEAN_HOSTS, isOwn, MANAGED_HOSTS, readBlock, someNames } from "./hosts_texts.ts";
import { cpuTimeMs } from "../../fakes/cpu_time.ts";

function replaced(text: string, names: ReadonlyMap<string, string>): string {
  return replaceBlock(text, names, { own: { ...NO_RECORD, isOwn } }).text;
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

// It refused such a file, and a person had to repair it.
for (const [name, { text, without }] of Object.entries(BROKEN_HOSTS)) {
  Deno.test(`replaceBlock() mends the section and keeps what is not ours: ${name} (F9, F10)`, () => {
    for (const end of ["\n", "\r\n"]) {
      const [broken, others] = [text, without].map((each) => each.replaceAll("\n", end)) as [string, string];
      assert.equal(replaced(broken, new Map()), others);
      const next = replaced(broken, someNames(3));
      assert.deepEqual(readBlock(next), someNames(3));
      assert.equal(replaced(next, someNames(3)), next, "the same names change nothing");
      const lines = (each: string) => each.split(end).filter((line) => line !== "");
      assert.deepEqual(lines(replaced(next, new Map())), lines(others));
    }
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

Deno.test("findOutside() names the first line outside the section, and equal lines", () => {
  const ours = new Map([["a.example", "10.107.0.1"], ["b.example", "10.107.0.2"]]);
  const text = `\u00ef\u00bb\u00bf1.1.1.1 first\n# 1.1.1.1 b.example\n1.1.1.1 x A.Example. # a.example\n\n${
    renderBlock(ours)
  }1.1.1.1 c.example\n10.107.0.1 z a.example`;
  const names = new Map([...ours, ["c.example", "10.0.0.3"], ["first", "10.0.0.4"], ["1.1.1.1", "10.0.0.5"]]);
  const { lines, shared } = findOutside(replaceBlock(text, names, { own: { ...NO_RECORD, isOwn } }), names);
  assert.deepEqual(lines, new Map([["first", 1], ["a.example", 3], ["c.example", 12]]));
  assert.deepEqual(shared, new Set(["10.107.0.1\ta.example"]));
});

Deno.test("replaceBlock() and findOutside() take at most 1 s for 100,000 lines (F14)", () => {
  const text = CLEAN_HOSTS["100,000 lines"]!;
  const names = someNames(10_000);
  const start = cpuTimeMs();
  const full = replaceBlock(text, names);
  findOutside(full, names);
  replaced(full.text, new Map());
  assert.ok(cpuTimeMs() - start < 1000);
});
