import assert from "node:assert/strict";
import { diffConfig } from "../../src/config/diff.ts";
import { parseConfig } from "../../src/config/schema.ts";
import { fileWith, SAMPLES } from "./sample_values.ts";

for (const [name, raw, , area] of SAMPLES) {
  Deno.test(`diffConfig() finds a change of ${name} and the part that it touches`, () => {
    const before = parseConfig({}).config;
    const after = parseConfig(fileWith([[name, raw]])).config;
    const expected = area === "restart"
      ? { paths: [name], areas: new Set(), needsRestart: [name] }
      : { paths: [name], areas: new Set([area]), needsRestart: [] };
    assert.deepEqual(diffConfig(before, after), expected);
    assert.deepEqual(diffConfig(after, before), expected);
    assert.deepEqual(diffConfig(after, parseConfig(fileWith([[name, raw]])).config).paths, []);
  });
}

Deno.test("diffConfig() ignores the order of overrides", () => {
  const a = parseConfig({ net: { overrides: { "a.example": "virtual", "b.example": "0.0.0.0" } } }).config;
  const b = parseConfig({ net: { overrides: { "b.example": "0.0.0.0", "a.example": "virtual" } } }).config;
  assert.deepEqual(diffConfig(a, b).paths, []);
});
