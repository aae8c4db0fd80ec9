import assert from "node:assert/strict";
import type { CtlIo } from "../../../src/cli/io.ts";
import { realIo } from "../../../src/cli/io.ts";
import { FileError } from "../../../src/model/errors.ts";
import { runFake } from "../fake_io.ts";

function denied(): Promise<never> {
  return Promise.reject(new FileError("Cannot read x: permission denied", { path: "x", reason: "denied" }));
}

/** A machine with a valid file and an editor that exits with 0. */
function machine(changes: Partial<CtlIo> = {}): Partial<CtlIo> {
  return {
    isInteractive: () => true,
    exists: () => Promise.resolve(true),
    runInteractive: () => Promise.resolve(0),
    checkConfig: () => Promise.resolve({ problems: [], warnings: [] }),
    ...changes,
  };
}

/** Runs the real script on a real file, in an environment of PATH and these variables. */
async function edit(
  path: string,
  environment: Record<string, string>,
  cwd = "/",
): Promise<{ code: number; out: string }> {
  let script: readonly string[] = [];
  await runFake(
    ["config", "edit", "--config", path],
    machine({
      runInteractive: (argv) => {
        script = argv;
        return Promise.resolve(0);
      },
    }),
  );
  const [program = "", ...args] = script;
  const env = { PATH: Deno.env.get("PATH") ?? "", ...environment };
  const output = await new Deno.Command(program, { args, env, cwd, clearEnv: true, stdin: "null" }).output();
  return { code: output.code, out: new TextDecoder().decode(output.stdout) };
}

Deno.test("ngrokctl config edit passes the path to the editor as one argument", async () => {
  const ran: (readonly string[])[] = [];
  const path = "/etc/x'; $(touch y) \".yml";
  const { code, out } = await runFake(
    ["config", "edit", "--config", path],
    machine({
      runInteractive: (argv) => {
        ran.push(argv);
        return Promise.resolve(0);
      },
    }),
  );
  assert.deepEqual([code, out], [0, `✓ ${path} is valid\n`]);
  assert.equal(ran.length, 1);
  assert.deepEqual([ran[0]?.slice(0, 2), ran[0]?.slice(3)], [["/bin/sh", "-c"], ["ngrokctl", path]]);
  assert.ok(!ran[0]?.[2]?.includes("touch y"));
});

Deno.test("ngrokctl config edit opens the default file without --config", async () => {
  let path: string | undefined;
  await runFake(
    ["config", "edit"],
    machine({
      runInteractive: (argv) => {
        path = argv.at(-1);
        return Promise.resolve(0);
      },
    }),
  );
  assert.equal(path, "/etc/ngrokd/config.yml");
});

Deno.test("ngrokctl config edit prefers EDITOR, allows arguments in it, and never evaluates the path", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/a b"$(touch owned)\'.yml`;
    await Deno.writeTextFile(path, "");
    const arguments_ = await edit(path, { EDITOR: "printf '[%s]' -w", VISUAL: "false" }, directory);
    assert.deepEqual(arguments_, { code: 0, out: `[-w][${path}]` });
    assert.deepEqual(await edit(path, { VISUAL: "echo visual #" }, directory), { code: 0, out: "visual\n" });
    assert.equal((await edit(path, { EDITOR: "exit 7;" }, directory)).code, 7);
    await assert.rejects(Deno.stat(`${directory}/owned`), Deno.errors.NotFound);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("ngrokctl config edit runs vi or vim without EDITOR and VISUAL", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/c.yml`;
    await Deno.writeTextFile(path, "");
    for (const name of ["vim", "vi"]) {
      await Deno.writeTextFile(`${directory}/${name}`, `#!/bin/sh\necho ${name} "$@"\n`, { mode: 0o755 });
      assert.equal((await edit(path, { PATH: directory })).out, `${name} ${path}\n`);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("ngrokctl config edit opens a file that this user may not write through sudo", async () => {
  const directory = await Deno.makeTempDir();
  try {
    // An ordinary user, and a sudo that prints when it runs.
    await Deno.writeTextFile(`${directory}/id`, "#!/bin/sh\necho 1000\n", { mode: 0o755 });
    await Deno.writeTextFile(`${directory}/sudo`, '#!/bin/sh\nshift\necho sudo\nexec "$@"\n', {
      mode: 0o755,
    });
    const environment = { PATH: directory, EDITOR: "echo edited #" };
    assert.deepEqual(await edit(`${directory}/none/x.yml`, environment), { code: 66, out: "sudo\n" });
    // The script runs as root under sudo and finds a file that the first check did not see.
    const path = `${directory}/late.yml`;
    await Deno.writeTextFile(`${directory}/sudo`, `#!/bin/sh\nshift\n: > "${path}"\nexec "$@"\n`, {
      mode: 0o755,
    });
    assert.deepEqual(await edit(path, environment), { code: 0, out: "edited\n" });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("ngrokctl config edit reports a missing file, for root too", async () => {
  const own = await runFake(["config", "edit"], machine({ exists: () => Promise.resolve(false) }));
  const root = await runFake(
    ["config", "edit"],
    machine({ exists: denied, runInteractive: () => Promise.resolve(66) }),
  );
  for (const { code, err } of [own, root]) {
    assert.equal(code, 1);
    assert.match(err, /^Error: Config file not found: \/etc\/ngrokd\/config\.yml\n.*--config PATH\n$/);
  }
});

Deno.test("ngrokctl config edit fails if the editor fails", async () => {
  const { code, err } = await runFake(
    ["config", "edit"],
    machine({ runInteractive: () => Promise.resolve(127) }),
  );
  assert.equal(code, 1);
  assert.match(
    err,
    /^Error: Cannot edit \/etc\/ngrokd\/config\.yml: the editor ended with exit code 127\n.*EDITOR/,
  );
});

Deno.test("ngrokctl config edit shows all problems and warnings of the edited file", async () => {
  const problems = [
    { path: "net.start_port", message: "70000 is not in 1 to 65535", suggestion: "The default is 9080" },
    { path: "", message: "a quote is missing" },
  ];
  const bad = await runFake(
    ["config", "edit"],
    machine({ checkConfig: () => Promise.resolve({ problems, warnings: [] }) }),
  );
  assert.equal(bad.code, 1);
  assert.match(
    bad.err,
    /^Error: Config validation failed: .*\n {2}net.start_port: 70000 .*\(The default is 9080\)\n {2}a quote/,
  );
  const warned = machine({
    checkConfig: () => Promise.resolve({ problems: [], warnings: problems.slice(0, 1) }),
  });
  const text = await runFake(["config", "edit"], warned);
  assert.match(text.out, /^✓ .* is valid\n {2}⚠ net.start_port: 70000/);
  assert.deepEqual(JSON.parse((await runFake(["config", "edit", "--json"], warned)).out), {
    schema: 1,
    path: "/etc/ngrokd/config.yml",
    checked: true,
    warnings: problems.slice(0, 1),
  });
});

Deno.test("ngrokctl config edit skips the check of a file that only root may read", async () => {
  const { code, out } = await runFake(["config", "edit"], machine({ exists: denied, checkConfig: denied }));
  assert.deepEqual([code, out], [0, "✓ /etc/ngrokd/config.yml was edited\n"]);
});

Deno.test("realIo() checks a file as the daemon would", async () => {
  const path = await Deno.makeTempFile({ suffix: ".yml" });
  const io = realIo();
  try {
    await Deno.writeTextFile(path, "net:\n  start_prt: 1\n");
    assert.equal(await io.exists(path), true);
    const { problems, warnings } = await io.checkConfig(path);
    assert.deepEqual([problems, warnings.map((warning) => warning.path)], [[], ["net.start_prt"]]);
    await Deno.writeTextFile(path, "net:\n  start_port: 70000\n");
    assert.deepEqual((await io.checkConfig(path)).problems.map((problem) => problem.path), [
      "net.start_port",
    ]);
  } finally {
    await Deno.remove(path);
  }
  assert.equal(await io.exists(path), false);
  await assert.rejects(io.checkConfig(path), FileError);
});
