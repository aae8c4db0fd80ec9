import assert from "node:assert/strict";
import { SecretLine } from "../../src/cli/secret_line.ts";

function typed(...keys: string[]): { line: SecretLine; more: boolean } {
  const line = new SecretLine();
  let more = true;
  for (const key of keys) more = line.feed(new TextEncoder().encode(key));
  return { line, more };
}

Deno.test("SecretLine gives the line at Enter, typed or pasted", () => {
  for (const end of ["\r", "\n", "\x04"]) {
    const { line, more } = typed("a", "b", `cé${end}x`);
    assert.equal(more, false);
    assert.equal(line.text, "abcé");
  }
});

Deno.test("SecretLine deletes with Backspace and Ctrl-U and ignores other control keys", () => {
  assert.equal(typed("ab\x7f\x08c\x1b\x01\r").line.text, "c");
  assert.equal(typed("\x7fwrong\x15right\r").line.text, "right");
});

Deno.test("SecretLine has no text after Ctrl-C", () => {
  const { line, more } = typed("secret\x03");
  assert.equal(more, false);
  assert.equal(line.text, undefined);
});

Deno.test("SecretLine continues until the line has ended", () => {
  assert.equal(typed("abc").more, true);
});
