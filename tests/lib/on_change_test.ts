import assert from "node:assert/strict";
import { OnChange } from "../../src/lib/on_change.ts";

Deno.test("OnChange reports a value once until it changes or disappears", () => {
  const logged: string[] = [];
  const change = new OnChange();
  for (const value of ["a", "a", "b", undefined, undefined, "b", "a"]) {
    change.report(value, (text) => logged.push(text));
  }
  assert.deepEqual(logged, ["a", "b", "b", "a"]);
});
