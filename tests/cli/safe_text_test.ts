import assert from "node:assert/strict";
import fc from "fast-check";
import { safeJson, safeText } from "../../src/cli/safe_text.ts";
import { anyText } from "../fakes/any_text.ts";

Deno.test("safeText() leaves ordinary text as it is, however long", () => {
  const text = "✓ ü 日本 ".repeat(100);
  assert.equal(safeText(text), text);
});

Deno.test("safeText() escapes characters that move the cursor or change the text direction", () => {
  assert.equal(
    safeText("a\r\n\x1b[0m\x7f\x9b\u2028\u202e\u2066"),
    "a\\u000d\\u000a\\u001b[0m\\u007f\\u009b\\u2028\\u202e\\u2066",
  );
});

Deno.test("safeJson() gives JSON of the same value that is safe on a terminal", () => {
  const values = fc.jsonValue().filter((value) => value !== undefined);
  fc.assert(
    fc.property(values, anyText(), (value, text) => {
      const json = safeJson({ value, text });
      assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify({ value, text })));
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(json, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]/);
    }),
    { seed: 11, numRuns: 60 },
  );
});
