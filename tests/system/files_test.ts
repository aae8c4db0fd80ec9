import assert from "node:assert/strict";
import { FileError, type FileFailure } from "../../src/model/errors.ts";
import {
  createFile,
  isMountPoint,
  listDirectory,
  makeDirectory,
  readBytesIfAny,
  readText,
  readTextIfAny,
  realPath,
  removeFile,
  removeTemporaries,
  renameFile,
  statPath,
  statTarget,
  writeFileAtomic,
  writeFileInPlace,
} from "../../src/system/files.ts";
import { moduleCommand, runModule } from "../fakes/run_module.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const IS_ROOT = Deno.uid() === 0;

function fails(reason: FileFailure): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof FileError, String(error));
    assert.equal(error.reason, reason, error.message);
    assert.match(error.message, /^Cannot [a-z ]+ \/.*: [^.]+[^.]$/);
    return true;
  };
}

async function makeFifo(path: string): Promise<void> {
  assert.equal((await new Deno.Command("/usr/bin/mkfifo", { args: [path] }).output()).success, true);
}

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

Deno.test("readText() and its kin tell missing, directory, FIFO and too large apart, and wait for none of them", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  await assert.rejects(readText(path), fails("missing"));
  assert.equal(await readTextIfAny(path), undefined);
  assert.equal(await readBytesIfAny(path, 10), undefined);
  await assert.rejects(readText(directory.path), fails("not_regular"));
  await makeFifo(`${directory.path}/fifo`);
  await assert.rejects(readText(`${directory.path}/fifo`), fails("not_regular"));
  await assert.rejects(readTextIfAny(`${directory.path}/fifo`), fails("not_regular"));
  await assert.rejects(readBytesIfAny(`${directory.path}/fifo`, 10), fails("not_regular"));
  await assert.rejects(readText("/dev/zero"), fails("not_regular"));
  await Deno.writeTextFile(path, "12345");
  assert.equal(await readText(path, 5), "12345");
  await assert.rejects(readText(path, 4), fails("other"));
  await assert.rejects(readBytesIfAny(path, 4), fails("other"));
  assert.deepEqual(await readBytesIfAny(path, 5), new TextEncoder().encode("12345"));
});

Deno.test("writeFileAtomic() replaces the whole file, with its mode, and leaves nothing beside it", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  await writeFileAtomic(path, "long long text", { mode: 0o644 });
  await writeFileAtomic(path, "é", { mode: 0o600 });
  assert.equal(await Deno.readTextFile(path), "é");
  assert.equal((await Deno.stat(path)).mode! & 0o7777, 0o600);
  assert.deepEqual(names(directory.path), ["f"]);
});

Deno.test("writeFileAtomic() sets the mode whatever the umask is", async () => {
  await using directory = await temporaryDirectory();
  for (const umask of ["077", "022", "000"]) {
    const code = `import { writeFileAtomic } from "../../src/system/files.ts";
      for (const mode of [0o644, 0o600]) await writeFileAtomic("${directory.path}/" + mode.toString(8), "x", { mode });`;
    const result = await runModule(code, { shell: `umask ${umask}; exec "$@"` });
    assert.equal(result.code, 0, result.stderr);
    for (const mode of ["644", "600"]) {
      assert.equal(
        (await Deno.stat(`${directory.path}/${mode}`)).mode! & 0o7777,
        Number.parseInt(mode, 8),
        `umask ${umask}`,
      );
    }
  }
});

Deno.test("writeFileAtomic() is never seen half done by a reader", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  const texts = ["a".repeat(300_000), "b".repeat(200_000)];
  await writeFileAtomic(path, texts[0]!, { mode: 0o644 });
  let writing = true;
  const reader = (async () => {
    let reads = 0;
    for (; writing; reads++) assert.ok(texts.includes(await Deno.readTextFile(path)));
    return reads;
  })();
  for (let round = 1; round <= 40; round++) await writeFileAtomic(path, texts[round % 2]!, { mode: 0o644 });
  writing = false;
  assert.ok(await reader > 10);
});

Deno.test("writeFileAtomic() removes the stray temporary file of a crash, and follows no link that stands there", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  await Deno.writeTextFile(`${directory.path}/victim`, "untouched");
  await Deno.writeTextFile(`${path}.ngrokd.tmp`, "half");
  await writeFileAtomic(path, "one", { mode: 0o600 });
  await new Deno.Command("/bin/ln", { args: ["-s", `${directory.path}/victim`, `${path}.ngrokd.tmp`] })
    .output();
  await writeFileAtomic(path, "two", { mode: 0o600 });
  await makeFifo(`${directory.path}/own.tmp`);
  await writeFileAtomic(path, "three", { mode: 0o600, temporary: `${directory.path}/own.tmp` });
  assert.equal(await Deno.readTextFile(path), "three");
  assert.equal(await Deno.readTextFile(`${directory.path}/victim`), "untouched");
  assert.deepEqual(names(directory.path), ["f", "victim"]);
});

Deno.test("writeFileAtomic() that fails leaves the old file and no temporary one", async () => {
  await using directory = await temporaryDirectory();
  await assert.rejects(writeFileAtomic(`${directory.path}/none/f`, "x", { mode: 0o600 }), fails("missing"));
  await Deno.mkdir(`${directory.path}/d/full`, { recursive: true });
  await assert.rejects(writeFileAtomic(`${directory.path}/d`, "x", { mode: 0o600 }), fails("not_regular"));
  assert.deepEqual(names(directory.path), ["d"]);
});

Deno.test({
  name: "A full disk leaves the old file, no temporary one, and is called full (F2)",
  ignore: !IS_ROOT || Deno.build.os !== "linux",
  async fn() {
    await using directory = await temporaryDirectory();
    const code = `import { createFile, writeFileAtomic, writeFileInPlace } from "../../src/system/files.ts";
      const path = "${directory.path}/f";
      await writeFileAtomic(path, "old", { mode: 0o644 });
      const big = "x".repeat(1_000_000);
      const reasons = [];
      for (const write of [() => writeFileAtomic(path, big, { mode: 0o644 }), () => createFile("${directory.path}/g", new TextEncoder().encode(big), { mode: 0o600 }), () => writeFileInPlace("${directory.path}/h", big)]) {
        if (reasons.length === 2) await Deno.writeTextFile("${directory.path}/h", "");
        reasons.push(await write().then(() => "written", (error) => error.name + " " + error.reason));
      }
      console.log(JSON.stringify({ reasons, text: await Deno.readTextFile(path), names: [...Deno.readDirSync("${directory.path}")].map(({ name }) => name).sort() }));`;
    const result = await runModule(code, {
      shell: `exec unshare -m sh -c 'mount -t tmpfs -o size=64k none ${directory.path} && exec "$@"' sh "$@"`,
    });
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(JSON.parse(result.stdout), {
      reasons: ["FileError full", "FileError full", "FileError full"],
      text: "old",
      names: ["f", "h"],
    });
  },
});

Deno.test({
  name: "A read-only file system and a mount point are called by their names",
  ignore: !IS_ROOT || Deno.build.os !== "linux",
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await Deno.mkdir(`${path}/ro`);
    await Deno.writeTextFile(`${path}/mounted`, "old");
    await Deno.writeTextFile(`${path}/other`, "other");
    const code = `import { isMountPoint, writeFileAtomic, writeFileInPlace } from "../../src/system/files.ts";
      const readOnly = await writeFileAtomic("${path}/ro/f", "x", { mode: 0o644 }).catch((error) => error.reason);
      const busy = await writeFileAtomic("${path}/mounted", "x", { mode: 0o644 }).catch((error) => isMountPoint(error));
      await writeFileInPlace("${path}/mounted", "in place");
      console.log(JSON.stringify([readOnly, busy, await Deno.readTextFile("${path}/mounted")]));`;
    const shell =
      `exec unshare -m sh -c 'mount --bind ${path}/other ${path}/mounted && mount -t tmpfs -o ro none ${path}/ro && exec "$@"' sh "$@"`;
    const result = await runModule(code, { shell });
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(JSON.parse(result.stdout), ["read_only", true, "in place"]);
    assert.equal(isMountPoint(new FileError("x", { path, reason: "other" })), false);
  },
});

Deno.test("A path outside the permission set is called so, with the flag that would allow it", async () => {
  const code = `import { readText } from "../../src/system/files.ts";
    await readText("/etc/hostname").catch(({ reason, message, hint }) => console.log(JSON.stringify({ reason, message, hint })));`;
  const { stdout } = await runModule(code, { permissions: ["--allow-read=/tmp"] });
  assert.deepEqual(JSON.parse(stdout), {
    reason: "not_capable",
    message: "Cannot read /etc/hostname: the permission set does not allow it",
    hint: "Add --allow-read: see docs/permissions.md",
  });
});

Deno.test("createFile() makes a file with its bytes and mode in place of whatever stood there", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/key`;
  await Deno.writeTextFile(path, "stray", { mode: 0o666 });
  await createFile(path, new Uint8Array([1, 2, 3]), { mode: 0o600 });
  assert.deepEqual(await Deno.readFile(path), new Uint8Array([1, 2, 3]));
  assert.equal((await Deno.stat(path)).mode! & 0o7777, 0o600);
  await assert.rejects(
    createFile(`${directory.path}/none/key`, new Uint8Array(), { mode: 0o600 }),
    fails("missing"),
  );
});

Deno.test({
  name: "A file can be given to another owner, or stays with its own without being asked twice",
  ignore: !IS_ROOT,
  async fn() {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/f`;
    await writeFileAtomic(path, "x", { mode: 0o640, owner: { uid: 65534, gid: 65534 } });
    const { uid, gid, mode } = (await statPath(path))!;
    assert.deepEqual([uid, gid, mode], [65534, 65534, 0o640]);
    await writeFileAtomic(path, "x", { mode: 0o640, owner: { uid: 0, gid: Deno.gid()! } });
    assert.equal((await statPath(path))!.uid, 0);
  },
});

Deno.test("writeFileInPlace() keeps the inode, and cuts off what was longer", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  await Deno.writeTextFile(path, "a long text");
  const before = (await statPath(path))!;
  await writeFileInPlace(path, "short");
  assert.equal(await Deno.readTextFile(path), "short");
  await writeFileInPlace(path, new Uint8Array([65]));
  assert.equal(await Deno.readTextFile(path), "A");
  assert.equal((await statPath(path))!.inode, before.inode);
  await assert.rejects(writeFileInPlace(`${directory.path}/none`, "x"), fails("missing"));
});

Deno.test("writeFileInPlace() does not wait for a FIFO's reader (it did, for ever)", async () => {
  await using directory = await temporaryDirectory();
  await makeFifo(`${directory.path}/fifo`);
  await assert.rejects(writeFileInPlace(`${directory.path}/fifo`, "x"), fails("not_regular"));
  await assert.rejects(writeFileInPlace(directory.path, "x"), fails("not_regular"));
});

Deno.test("statPath() shows the link, statTarget() what it leads to, and realPath() where", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.writeTextFile(`${path}/f`, "123", { mode: 0o640 });
  await new Deno.Command("/bin/ln", { args: ["-s", `${path}/f`, `${path}/link`] }).output();
  await new Deno.Command("/bin/ln", { args: ["-s", `${path}/gone`, `${path}/dead`] }).output();
  await makeFifo(`${path}/fifo`);
  const kinds = await Promise.all(
    ["f", "link", "fifo", "."].map(async (name) => (await statPath(`${path}/${name}`))?.kind),
  );
  assert.deepEqual(kinds, ["file", "symlink", "other", "directory"]);
  const target = (await statTarget(`${path}/link`))!;
  assert.deepEqual([target.kind, target.size, target.mode, target.inode], [
    "file",
    3,
    0o640,
    (await statPath(`${path}/f`))!.inode,
  ]);
  assert.ok(Math.abs(target.mtimeMs - Date.now()) < 60_000);
  assert.equal((await statPath(`${path}/dead`))?.kind, "symlink");
  assert.equal(await statTarget(`${path}/dead`), undefined);
  assert.equal(await statPath(`${path}/none`), undefined);
  assert.equal(await realPath(`${path}/link`), await Deno.realPath(`${path}/f`));
  await assert.rejects(realPath(`${path}/dead`), fails("missing"));
  await assert.rejects(statPath(`${path}/f/x`), fails("other"));
  await assert.rejects(statTarget(`${path}/f/x`), fails("other"));
});

Deno.test("makeDirectory() makes the parents too and leaves one that exists; listDirectory() sorts", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/a/b`;
  await makeDirectory(path, 0o700);
  await makeDirectory(path, 0o755);
  assert.equal((await statPath(path))!.mode & 0o777, 0o700);
  for (const name of ["z", "a", "m"]) await Deno.writeTextFile(`${path}/${name}`, "");
  assert.deepEqual(await listDirectory(path), ["a", "m", "z"]);
  assert.deepEqual(await listDirectory(`${directory.path}/none`), []);
  await assert.rejects(makeDirectory(`${path}/a/x`, 0o700), fails("other"));
  await assert.rejects(listDirectory(`${path}/a`), fails("other"));
});

Deno.test("renameFile() and removeFile() say what they cannot do; what is not there is removed already", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.writeTextFile(`${path}/a`, "x");
  await renameFile(`${path}/a`, `${path}/b`);
  await removeFile(`${path}/b`);
  await removeFile(`${path}/b`);
  assert.deepEqual(names(path), []);
  await assert.rejects(renameFile(`${path}/a`, `${path}/b`), fails("missing"));
  await Deno.mkdir(`${path}/d/e`, { recursive: true });
  await assert.rejects(removeFile(`${path}/d`), fails("other"));
});

Deno.test("removeTemporaries() removes what killed runs left, and no other file (F1)", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  for (const name of ["tls.key", "tls.key.ngrokd.tmp", "own.tmp", "state.json.ngrokd.tmp"]) {
    await Deno.writeTextFile(`${path}/${name}`, "");
  }
  await removeTemporaries(path);
  assert.deepEqual(names(path), ["own.tmp", "tls.key"]);
  await removeTemporaries(`${path}/none`);
  await Deno.mkdir(`${path}/d.ngrokd.tmp/full`, { recursive: true });
  await assert.rejects(removeTemporaries(path), FileError);
});

Deno.test("writeFileAtomic() killed at any moment leaves the old text or the new one, and at most one stray file (F1)", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  const code = `import { writeFileAtomic } from "../../src/system/files.ts";
    const texts = ["a".repeat(300000), "b".repeat(200000)];
    for (let round = 0;; round++) {
      await writeFileAtomic("${path}", texts[round % 2], { mode: 0o644 });
      Deno.stdout.writeSync(new Uint8Array(1));
    }`;
  for (let kill = 0; kill < 6; kill++) {
    const shell = `"$@" & echo $!; exec 1>&-; wait`;
    const child = moduleCommand(code, { shell }).spawn();
    const output = child.stdout.getReader();
    const pid = Number(new TextDecoder().decode((await output.read()).value));
    for (let seen = 0; seen < 3 + kill * 5;) seen += (await output.read()).value?.length ?? Infinity;
    Deno.kill(pid, "SIGKILL");
    while (!(await output.read()).done);
    await child.stderr.cancel();
    await child.status;
    assert.match(await Deno.readTextFile(path), /^(a{300000}|b{200000})$/);
    assert.ok(names(directory.path).every((name) => name === "f" || name === "f.ngrokd.tmp"));
  }
  await writeFileAtomic(path, "after", { mode: 0o644 });
  assert.deepEqual(names(directory.path), ["f"]);
});
