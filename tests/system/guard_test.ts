import assert from "node:assert/strict";
import { checkAncestors, checkDirectory, readGuarded, readOwn } from "../../src/system/files.ts";
import { makeLink } from "../fakes/special_files.ts";
import { runModule } from "../fakes/run_module.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const IGNORED = Deno.build.os !== "linux" || Deno.uid() !== 0;
const NOBODY = 65534;

/** Registers a test of a directory `a/b` with the file `a/b/f`, all of root. */
function testAsRoot(name: string, test: (a: string) => Promise<void>): void {
  Deno.test({
    name: `${name}${IGNORED ? " (skipped: needs root)" : ""}`,
    ignore: IGNORED,
    async fn() {
      await using directory = await temporaryDirectory();
      const a = `${directory.path}/a`;
      await Deno.mkdir(`${a}/b`, { recursive: true, mode: 0o755 });
      await Deno.writeTextFile(`${a}/b/f`, "text", { mode: 0o600 });
      await test(a);
    },
  });
}

testAsRoot("checkAncestors() refuses what another user can replace, with a command that helps", async (a) => {
  const file = `${a}/b/f`;
  const cases: [change: () => Promise<unknown>, says: RegExp, hint: RegExp][] = [
    [() => Deno.chmod(a, 0o775), /can write to the directory .*\/a \(mode 0775\)/, /^Run: chmod go-w .*\/a$/],
    [() => Deno.chown(a, NOBODY, null), /user 65534 owns the directory .*\/a$/, /^Run: chown -h 0 .*\/a$/],
    [
      async () => {
        await Deno.chmod(a, 0o1777);
        await Deno.chown(`${a}/b`, NOBODY, null);
      },
      /\/a \(the sticky bit .*, and user 65534 owns .*\/b$/,
      /^Run: chown -h 0 .*\/b$/,
    ],
  ];
  for (const [change, says, hint] of cases) {
    await change();
    await assert.rejects(checkAncestors(file), (error: Error & { hint?: string }) => {
      assert.match(error.message, says);
      assert.match(error.hint ?? "", hint);
      return true;
    });
    for (const path of [a, `${a}/b`]) {
      await Deno.chown(path, 0, null);
      await Deno.chmod(path, 0o755);
    }
    await checkAncestors(file);
  }
  // Nobody else can rename or remove root's entry of a sticky directory.
  await Deno.chmod(a, 0o1777);
  await checkAncestors(file);
});

testAsRoot("each check follows every symbolic link as the kernel does, and the last one too", async (a) => {
  await makeLink(`${a}/b`, `${a}/link`);
  await checkAncestors(`${a}/link/f`);
  await checkAncestors(`${a}/link/../b/f`);
  const home = `${a}/home`;
  await Deno.mkdir(`${home}/sub`, { recursive: true });
  await Deno.mkdir(`${home}/state`);
  await Deno.writeTextFile(`${home}/f`, "text", { mode: 0o600 });
  await makeLink(`${a}/b`, `${home}/back`);
  await Deno.chown(home, NOBODY, null);
  await makeLink("home/f", `${a}/b/../file`);
  await makeLink(`${home}/state`, `${a}/state`);
  await makeLink(`${home}/back`, `${a}/through`);
  await makeLink(`${home}/sub`, `${a}/sub`);
  const says = /user 65534 owns the directory .*\/home$/;
  await assert.rejects(readGuarded(`${a}/file`), says);
  await assert.rejects(checkDirectory(`${a}/state`), says);
  // The user's link in between leads back to a directory of root.
  await assert.rejects(readGuarded(`${a}/through/f`), says);
  // Without a scoped permission set, `..` leads to the parent of the link's target.
  await assert.rejects(checkAncestors(`${a}/sub/../f`), says);
  await makeLink("loop", `${a}/loop`);
  await assert.rejects(checkAncestors(`${a}/loop/f`), /is one of too many symbolic links$/);
});

testAsRoot("checkDirectory() refuses a sticky directory, in which others can place files", async (a) => {
  await checkDirectory(`${a}/b`);
  for (const [mode, says] of [[0o1777, /sticky bit does not stop them/], [0o770, /mode 0770/]] as const) {
    await Deno.chmod(`${a}/b`, mode);
    await assert.rejects(checkDirectory(`${a}/b`), says);
  }
});

testAsRoot("checkDirectory() gives a command for the files of ngrokd in the directory too", async (a) => {
  const directory = `${a}/b`;
  for (const name of ["operator_id", "tls.key"]) await Deno.writeTextFile(`${directory}/${name}`, "");
  for (const path of [directory, `${directory}/f`, `${directory}/operator_id`]) {
    await Deno.chown(path, NOBODY, null);
  }
  const hint = `Run: chown -h 0 ${directory} ${directory}/operator_id`;
  await assert.rejects(checkDirectory(directory), { reason: "unsafe", hint });
});

testAsRoot("checkDirectory() gives an ordinary user the reason, and does not refuse", async (a) => {
  await Deno.chmod(`${a}/b`, 0o777);
  const code = `import { checkDirectory } from "../../src/system/files.ts";
    Object.defineProperty(Deno, "uid", { value: () => 1000 });
    console.log(await checkDirectory("${a}/b"));`;
  const { stdout, stderr } = await runModule(code);
  assert.match(stdout, /other users can write to the directory .*\(mode 0777\)/, stderr);
});

testAsRoot("readGuarded() follows a link and readOwn() does not without a permission set too", async (a) => {
  await makeLink(`${a}/b/f`, `${a}/link`);
  const code = `import { readGuarded, readOwn } from "../../src/system/files.ts";
    console.log(await readGuarded("${a}/link"));
    console.log(await readOwn("${a}/link").catch(({ reason }) => reason));`;
  const { stdout, stderr } = await runModule(code, { permissions: ["--allow-all"] });
  assert.equal(stdout, "text\nnot_regular\n", stderr);
});

testAsRoot("readGuarded() follows a link and readOwn() does not; both demand owner and mode", async (a) => {
  const file = `${a}/b/f`;
  await makeLink(file, `${a}/link`);
  assert.equal(await readGuarded(`${a}/link`, { isSecret: true }), "text");
  await assert.rejects(readOwn(`${a}/link`), { reason: "not_regular" });
  await Deno.chmod(file, 0o644);
  assert.equal(await readOwn(file), "text");
  for (const read of [readGuarded, readOwn]) {
    await assert.rejects(read(file, { isSecret: true }), {
      reason: "unsafe",
      hint: `Run: chmod 600 ${file}`,
    });
    await Deno.chmod(file, 0o620);
    await assert.rejects(read(file), { reason: "unsafe", hint: `Run: chmod go-w ${file}` });
    await Deno.chmod(file, 0o644);
    await Deno.chown(file, NOBODY, NOBODY);
    await assert.rejects(read(file), { reason: "unsafe", hint: `Run: chown 0 ${file}` });
    await Deno.chown(file, 0, 0);
  }
});
