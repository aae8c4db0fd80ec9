import assert from "node:assert/strict";
import { escapeControls, printable } from "../../src/lib/printable.ts";

Deno.test("printable() escapes control characters and cuts the text to 100 characters", () => {
  assert.equal(printable("a\nb\u0000\u001b[31m\u0085\u2028"), "a\\u000ab\\u0000\\u001b[31m\\u0085\\u2028");
  assert.equal(printable("moc\u202elive"), "moc\\u202elive");
  assert.equal(printable("plain é 名"), "plain é 名");
  assert.equal(printable("x".repeat(100)), "x".repeat(100));
  assert.equal(printable("x".repeat(101)), `${"x".repeat(99)}…`);
});

Deno.test("escapeControls() escapes cursor movements and line breaks, and does not cut the text", () => {
  const long = "✓ ü 日本 ".repeat(1000);
  assert.equal(
    escapeControls(`a\r\n\t\x1b[0m\x7f\u009b${long}\u061c\u2028\u2029\u202e\u2066\ufeff`),
    `a\\u000d\\u000a\\u0009\\u001b[0m\\u007f\\u009b${long}\\u061c\\u2028\\u2029\\u202e\\u2066\\ufeff`,
  );
});
