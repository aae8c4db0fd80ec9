import assert from "node:assert/strict";
import { memoryLimit } from "../../src/system/memory.ts";
import { runProgram } from "./commands.ts";
import { MemoryCgroup } from "./memory_cgroup.ts";
import { testCgroup } from "./test_root.ts";

const SOURCE = new URL("../../src/system/memory.ts", import.meta.url).href;

testCgroup(
  "memoryLimit() is that of the own cgroup, with the permission of the shipped set (R75)",
  async () => {
    await using cgroup = await MemoryCgroup.create(384);
    const program = `import { memoryLimit } from "${SOURCE}"; console.log(memoryLimit());`;
    const run = `${cgroup.enter}; exec "$@" -`;
    const deno = [Deno.execPath(), "run", "--allow-sys=systemMemoryInfo", "--no-prompt", "--no-check"];
    const { stdout, stderr } = await runProgram(["/bin/sh", "-ec", run, "sh", ...deno], program);
    assert.equal(stdout.trim(), String(384 * 2 ** 20), stderr);
  },
);

Deno.test("memoryLimit() is at most the machine's memory", () => {
  const { total } = Deno.systemMemoryInfo();
  const limit = memoryLimit();
  assert.ok(limit > 0 && limit <= total, String(limit));
});
