import assert from "node:assert/strict";
import fc from "fast-check";
import { JsonLimits } from "../../src/lib/json_limits.ts";
import { parseJson } from "../../src/lib/parse_json.ts";

const DEPTH = 64;

function nested(depth: number, [open, close]: readonly [string, string] = ["[", "]"]): string {
  return open.repeat(depth) + close.repeat(depth);
}

function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const members: unknown[] = Object.values(value);
  return members.reduce((sum: number, member) => sum + countMembers(member), members.length);
}

Deno.test("parseJson() reads what JSON.parse() reads, down to a depth of 64 (R73)", () => {
  fc.assert(fc.property(fc.json({ maxDepth: 8 }), (text) => {
    assert.deepEqual(parseJson(text), JSON.parse(text));
  }));
  assert.deepEqual(parseJson(nested(DEPTH)), JSON.parse(nested(DEPTH)));
  for (const text of [nested(DEPTH + 1), "[".repeat(1_000_000), `{"a":`.repeat(DEPTH + 1), "", "]", "{,"]) {
    assert.equal(parseJson(text), undefined, text.slice(0, 20));
  }
});

Deno.test("JsonLimits ignores brackets and commas in strings", () => {
  const text = JSON.stringify({ a: `${"[,".repeat(200)}"\\"\\\\`, b: ["\\", ","] });
  assert.equal(new JsonLimits({ maxMembers: 2, maxValues: 4 }).read(text), undefined);
});

// An empty list or object was counted as if it had a member.
Deno.test("JsonLimits counts all members of all lists and objects exactly", () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, indent) => {
    const text = JSON.stringify(value, null, indent);
    const members = countMembers(value);
    assert.equal(new JsonLimits({ maxValues: members }).read(text), undefined, text);
    if (members > 0) assert.match(new JsonLimits({ maxValues: members - 1 }).read(text)!, /values/);
  }));
});

Deno.test("JsonLimits finds each limit, however the text is cut", () => {
  const list = (length: number) => JSON.stringify({ a: Array.from({ length }, () => ({})) });
  const pairs = (length: number) => JSON.stringify(Object.fromEntries(Array(length).fill(0).entries()));
  const excess = [/lists more than 10 entries/, /more than 40 values/, undefined] as const;
  for (
    const [text, expected] of [
      [list(10), excess[2]],
      [list(11), excess[0]],
      [pairs(10), excess[2]],
      [pairs(11), excess[0]],
      [JSON.stringify(Array(10).fill([1, 2, 3, 4])), excess[1]],
    ] as const
  ) {
    for (const size of [1, 7, text.length]) {
      const limits = new JsonLimits({ maxMembers: 10, maxValues: 40 });
      let found: string | undefined;
      for (let start = 0; start < text.length; start += size) {
        found = limits.read(text, { start, end: Math.min(start + size, text.length) });
      }
      if (expected === undefined) assert.equal(found, undefined, text);
      else assert.match(found!, expected);
    }
  }
});
