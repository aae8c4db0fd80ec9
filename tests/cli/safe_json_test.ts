import assert from "node:assert/strict";
import fc from "fast-check";
import { safeJson } from "../../src/cli/safe_json.ts";
import { anyText } from "../fakes/any_text.ts";

Deno.test("safeJson() gives JSON of the same value that is safe on a terminal", () => {
  const values = fc.jsonValue().filter((value) => value !== undefined);
  fc.assert(
    fc.property(values, anyText(), (value, text) => {
      const json = safeJson({ value, text });
      assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify({ value, text })));
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(json, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\ufeff]/);
    }),
    { seed: 11, numRuns: 60 },
  );
});
