import assert from "node:assert/strict";
import * as version from "../../src/lib/version.ts";

Deno.test("The version of the programs is the one in deno.json", async () => {
  const { version: released } = JSON.parse(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  );
  assert.deepEqual(Object.values(version), [released]);
});
