import assert from "node:assert/strict";
import { moduleCommand, runModule } from "../fakes/run_module.ts";

Deno.test("writeOut() and writeErr() write all of a large text to their streams", async () => {
  const code = `import { writeErr, writeOut } from "../../src/system/terminal.ts";
    writeOut("é".repeat(1_000_000)); writeErr("error\\n");`;
  const { stdout, stderr, code: exitCode } = await runModule(code);
  assert.deepEqual([stdout.length, stderr, exitCode], [1_000_000, "error\n", 0]);
});

Deno.test("writeOut() and writeErr() to a closed pipe do not end the process (F28)", async () => {
  const code = `import { writeErr, writeOut } from "../../src/system/terminal.ts";
    for (let line = 0; line < 1000; line++) { writeOut("x".repeat(1000) + "\\n"); writeErr("y".repeat(1000) + "\\n"); }
    Deno.writeTextFileSync(Deno.env.get("DONE"), "still here");`;
  const done = await Deno.makeTempFile();
  const child = moduleCommand(code, {
    permissions: ["--allow-read", "--allow-write=/tmp", "--allow-env=DONE"],
    env: { DONE: done },
  }).spawn();
  await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
  assert.equal((await child.status).code, 0);
  assert.equal(await Deno.readTextFile(done), "still here");
  await Deno.remove(done);
});

Deno.test({
  name: "writeOut() to a full disk does not end the process (F28)",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const code = `import { writeErr, writeOut } from "../../src/system/terminal.ts";
      writeOut("x\\n"); writeErr("still here");`;
    const { code: exitCode, stderr } = await runModule(code, { shell: 'exec "$@" > /dev/full' });
    assert.deepEqual([exitCode, stderr], [0, "still here"]);
  },
});

Deno.test("readStandardInput() returns whole characters, and rejects one byte too many", async () => {
  const code = `import { readStandardInput } from "../../src/system/terminal.ts";
    console.log(await readStandardInput(300_000).then((text) => text.length + text.slice(-1), (error) => error.name + ": " + error.message));`;
  for (
    const [count, expected] of [[0, "0"], [1, "1é"], [150_000, "150000é"], [
      150_001,
      "RangeError: Cannot read standard input: more than 300000 bytes",
    ]] as const
  ) {
    const { stdout, stderr } = await runModule(code, {
      shell: `yes é | tr -d '\\n' | head -c ${count * 2} | "$@"`,
    });
    assert.equal(stdout.trim(), expected, stderr);
  }
});

Deno.test("isInteractive() is false without a terminal", async () => {
  const code = `import { isInteractive } from "../../src/system/terminal.ts";
    Deno.stderr.writeSync(new TextEncoder().encode(String(isInteractive())));`;
  assert.equal((await runModule(code, { shell: 'exec "$@" < /dev/null' })).stderr, "false");
});

Deno.test({
  name: "readKeys() passes on typed bytes without echo until the callback returns false",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const code = `import { isInteractive, readKeys, writeOut } from "../../src/system/terminal.ts";
      let typed = "";
      const reading = readKeys("Key: ", (bytes) => !(typed += new TextDecoder().decode(bytes)).endsWith("\\r"));
      writeOut("ready " + isInteractive() + "\\n");
      await reading;
      writeOut("<" + JSON.stringify(typed) + ">");`;
    const child = moduleCommand(code, {
      shell: 'exec script -qec "$(printf "%s " "$@")" /dev/null',
      stdin: "piped",
    }).spawn();
    const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const input = child.stdin.getWriter();
    let shown = "";
    while (!shown.includes("\n")) shown += (await output.read()).value;
    await input.write(new TextEncoder().encode("secret\r"));
    for (let part = await output.read(); !part.done; part = await output.read()) shown += part.value;
    assert.match(shown, /^Key: ready true\r?\n/);
    assert.match(shown, /<"secret\\r">/);
    assert.equal(shown.split("secret").length, 2, "only the program prints it");
    await Promise.allSettled([input.close(), child.stderr.cancel(), child.status]);
  },
});
