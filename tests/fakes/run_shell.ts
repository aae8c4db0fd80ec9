import assert from "node:assert/strict";

/** Runs shell lines that must succeed, and returns what they print. */
export async function runShell(lines: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("/bin/sh", { args: ["-ec", lines] }).output();
  const decoder = new TextDecoder();
  assert.ok(success, `${lines}\n${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}
