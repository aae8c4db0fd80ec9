import assert from "node:assert/strict";
import fc from "fast-check";
import { ObjectEnd } from "../../src/control/object_end.ts";

const encoder = new TextEncoder();

Deno.test("ObjectEnd finds the last byte of any object in pieces of any size", () => {
  const objects = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue());
  fc.assert(
    fc.property(objects, fc.nat({ max: 4 }), fc.string(), fc.nat(), (object, indent, rest, step) => {
      const text = ` \n${JSON.stringify(object, null, indent)}`;
      const bytes = encoder.encode(text + rest);
      const size = 1 + step % 7;
      const end = new ObjectEnd();
      for (let at = 0; at < bytes.length; at += size) {
        const found = end.feed(bytes.subarray(at, at + size));
        if (found === undefined) continue;
        return assert.equal(at + found, encoder.encode(text).length);
      }
      assert.fail("no end was found");
    }),
    { seed: 8, numRuns: 300 },
  );
});

Deno.test("ObjectEnd ignores braces inside a string", () => {
  assert.equal(new ObjectEnd().feed(encoder.encode('{"a":"}\\"}')), undefined);
});

Deno.test("ObjectEnd refuses bytes that do not begin with an object", () => {
  for (const text of ["list", "[1]", '"x"', "GET / HTTP/1.1", "\0\xff"]) {
    assert.throws(() => new ObjectEnd().feed(encoder.encode(text)), SyntaxError, text);
  }
});
