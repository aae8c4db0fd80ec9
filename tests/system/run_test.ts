import assert from "node:assert/strict";
import { CommandError } from "../../src/model/errors.ts";
import { run, runInteractive } from "../../src/system/run.ts";
import { runModule } from "../fakes/run_module.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

function sh(script: string, timeoutMs = 5000, signal?: AbortSignal) {
  return run(["/bin/sh", "-c", script], { timeoutMs, signal });
}

function fails(text: RegExp, exitCode?: number): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CommandError, String(error));
    assert.match(error.message, text);
    if (exitCode !== undefined) assert.equal(error.exitCode, exitCode);
    return true;
  };
}

Deno.test("run() returns the output of a program", async () => {
  assert.deepEqual(await sh("echo out; echo err >&2"), { stdout: "out\n", stderr: "err\n" });
  const big = await sh("head -c 3000000 /dev/zero | tr '\\0' x");
  assert.equal(big.stdout.length, 3_000_000);
});

Deno.test("run() passes arguments without a shell", async () => {
  const { stdout } = await run(["/bin/echo", "$(id)", "; reboot", "a  b", "*"], { timeoutMs: 5000 });
  assert.equal(stdout, "$(id) ; reboot a  b *\n");
});

Deno.test("run() gives the program an empty environment and no input", async () => {
  const { stdout } = await run(["/usr/bin/env"], { timeoutMs: 5000 });
  assert.equal(stdout, "");
  assert.equal((await sh("cat")).stdout, "");
});

Deno.test("run() throws argv, exit code and output of a program that fails", async () => {
  await assert.rejects(sh("echo shown; echo why >&2; exit 3"), (error) => {
    const { argv, stderr } = error as CommandError;
    assert.deepEqual([argv[0], stderr], ["/bin/sh", "why\n"]);
    return fails(/^Cannot run "\/bin\/sh -c .*": exit code 3: why$/, 3)(error);
  });
  await assert.rejects(sh("echo only out; exit 1"), fails(/exit code 1: only out$/, 1));
  await assert.rejects(sh("exit 1"), fails(/exit code 1: no output$/, 1));
});

Deno.test("run() throws CommandError if the program is missing or cannot be executed", async () => {
  await using directory = await temporaryDirectory();
  await assert.rejects(
    run(["/no/such/program", "x"], { timeoutMs: 1000 }),
    fails(/^Cannot run "\/no\/such\/program x": /, -1),
  );
  await Deno.writeTextFile(`${directory.path}/text`, "text", { mode: 0o600 });
  await assert.rejects(run([`${directory.path}/text`], { timeoutMs: 1000 }), fails(/Cannot run/, -1));
});

Deno.test("run() runs only absolute paths under the shipped permissions, not programs in PATH (F34)", async () => {
  await using directory = await temporaryDirectory();
  for (const name of ["ip", "resolvectl", "sh"]) {
    const script = `#!/bin/sh\n: > ${directory.path}/ran-${name}\n`;
    await Deno.writeTextFile(`${directory.path}/${name}`, script, { mode: 0o755 });
  }
  const code = `import { run } from "../../src/system/run.ts";
    import { IP } from "../../src/network/ip_program.ts";
    import { RESOLVECTL } from "../../src/names/resolver/resolvectl.ts";
    const argvs = [[IP, "-V"], [RESOLVECTL, "--version"], ["ip", "-V"], ["resolvectl"], ["./ip"], ["sh"]];
    console.log(JSON.stringify(await Promise.all(argvs.map((argv) =>
      run(argv, { timeoutMs: 5000 }).then(({ stdout }) => stdout, ({ message }) => message)))));`;
  const { stdout, stderr } = await runModule(code, {
    permissions: ["-P=ngrokd"],
    shell: `cd ${directory.path}; exec "$@"`,
    env: { PATH: `${directory.path}:/usr/bin` },
  });
  assert.notEqual(stdout, "", stderr);
  const [ip, resolvectl, ...bare] = JSON.parse(stdout);
  // No other program runs in place of one that is not installed.
  assert.match(ip, /^ip utility|^Cannot run "\/sbin\/ip -V": /);
  assert.match(resolvectl, /^systemd |^Cannot run "\/usr\/bin\/resolvectl --version": /);
  assert.equal(bare.length, 4);
  for (const message of bare) assert.match(message, /it is not an absolute path$/);
  const ran = await Array.fromAsync(Deno.readDir(directory.path));
  assert.deepEqual(ran.filter(({ name }) => name.startsWith("ran")), []);
});

Deno.test("run() ends a program that takes too long, also one that ignores SIGTERM", async () => {
  for (
    const script of [
      "exec sleep 30",
      "trap '' TERM; echo begun; while :; do sleep 30; done",
      "sleep 30; sleep 30",
    ]
  ) {
    const started = performance.now();
    await assert.rejects(sh(script, 50), fails(/it did not end within 0\.05 s$/));
    assert.ok(performance.now() - started < 3000, `${script}: ${performance.now() - started} ms`);
  }
});

Deno.test("run() does not wait beyond its time for a child that keeps the output open", async () => {
  await using directory = await temporaryDirectory();
  const started = performance.now();
  await assert.rejects(
    sh(`sleep 30 & echo $! > ${directory.path}/pid; exit 0`, 200),
    fails(/it did not end within 0\.2 s$/),
  );
  assert.ok(performance.now() - started < 3000);
  Deno.kill(Number(await Deno.readTextFile(`${directory.path}/pid`)), "SIGKILL");
});

Deno.test("run() ends the program at the signal, and starts none after it", async () => {
  await using directory = await temporaryDirectory();
  const stop = new AbortController();
  const running = assert.rejects(sh("exec sleep 30", 30_000, stop.signal), fails(/it was stopped$/));
  stop.abort();
  await running;
  await assert.rejects(
    sh(`touch ${directory.path}/started`, 1000, stop.signal),
    fails(/it was stopped$/, -1),
  );
  assert.deepEqual(await Array.fromAsync(Deno.readDir(directory.path)), []);
});

Deno.test("run() throws CommandError for a program outside the permission set", async () => {
  const code = `import { run } from "../../src/system/run.ts";
    await run(["/bin/echo"], { timeoutMs: 1000 }).catch(({ name, message }) => console.log(name, message));`;
  const { stdout } = await runModule(code, { permissions: ["--allow-read"] });
  assert.match(stdout, /^CommandError Cannot run "\/bin\/echo": .*run access/);
});

Deno.test("runInteractive() returns the exit code of a program that has the terminal", async () => {
  assert.equal(await runInteractive(["/bin/sh", "-c", "exit 7"]), 7);
  await assert.rejects(runInteractive(["/no/such/editor"]), fails(/^Cannot run "\/no\/such\/editor": /, -1));
});
