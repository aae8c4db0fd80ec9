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
import { makeFifo, makeLink } from "../fakes/special_files.ts";
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

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

Deno.test("readText() and readBytesIfAny() reject directories, devices, FIFOs and large files", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  await assert.rejects(readText(path), fails("missing"));
  assert.equal(await readTextIfAny(path), undefined);
  assert.equal(await readBytesIfAny(path, 10), undefined);
  const fifo = `${directory.path}/fifo`;
  await makeFifo(fifo);
  // A read of a FIFO would wait for a writer.
  for (const other of [directory.path, "/dev/zero", fifo]) {
    await assert.rejects(readText(other), fails("not_regular"));
    await assert.rejects(readTextIfAny(other), fails("not_regular"));
    await assert.rejects(readBytesIfAny(other, 10), fails("not_regular"));
  }
  await Deno.writeTextFile(path, "12345");
  assert.equal(await readText(path, 5), "12345");
  assert.deepEqual(await readBytesIfAny(path, 5), new TextEncoder().encode("12345"));
  await assert.rejects(readText(path, 4), fails("too_large"));
  await assert.rejects(readBytesIfAny(path, 4), fails("too_large"));
});

Deno.test("writeFileAtomic() replaces the content and the mode, and leaves no other file", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  await writeFileAtomic(path, "long long text", { mode: 0o644 });
  await writeFileAtomic(path, "é", { mode: 0o600 });
  assert.equal(await Deno.readTextFile(path), "é");
  assert.equal((await Deno.stat(path)).mode! & 0o7777, 0o600);
  assert.deepEqual(names(directory.path), ["f"]);
});

Deno.test("writeFileAtomic() sets the mode under any umask", async () => {
  await using directory = await temporaryDirectory();
  const modes = [0o644, 0o600];
  const code = `import { writeFileAtomic } from "../../src/system/files.ts";
    for (const mode of ${
    JSON.stringify(modes)
  }) await writeFileAtomic("${directory.path}/" + mode, "x", { mode });`;
  for (const umask of ["077", "022", "000"]) {
    const result = await runModule(code, { shell: `umask ${umask}; exec "$@"` });
    assert.equal(result.code, 0, result.stderr);
    for (const mode of modes) {
      assert.equal((await Deno.stat(`${directory.path}/${mode}`)).mode! & 0o7777, mode, `umask ${umask}`);
    }
  }
});

Deno.test("writeFileAtomic() shows a reader only complete contents", async () => {
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

Deno.test("writeFileAtomic() replaces a leftover temporary file, and follows no link in its place", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  await Deno.writeTextFile(`${directory.path}/victim`, "untouched");
  await Deno.writeTextFile(`${path}.ngrokd.tmp`, "half");
  await writeFileAtomic(path, "one", { mode: 0o600 });
  await makeLink(`${directory.path}/victim`, `${path}.ngrokd.tmp`);
  await writeFileAtomic(path, "two", { mode: 0o600 });
  await makeFifo(`${directory.path}/own.tmp`);
  await writeFileAtomic(path, "three", { mode: 0o600, temporary: `${directory.path}/own.tmp` });
  assert.equal(await Deno.readTextFile(path), "three");
  assert.equal(await Deno.readTextFile(`${directory.path}/victim`), "untouched");
  assert.deepEqual(names(directory.path), ["f", "victim"]);
});

Deno.test("writeFileAtomic() keeps the old file and leaves no temporary one if it fails", async () => {
  await using directory = await temporaryDirectory();
  await assert.rejects(writeFileAtomic(`${directory.path}/none/f`, "x", { mode: 0o600 }), fails("missing"));
  await Deno.mkdir(`${directory.path}/d/full`, { recursive: true });
  await assert.rejects(writeFileAtomic(`${directory.path}/d`, "x", { mode: 0o600 }), fails("not_regular"));
  assert.deepEqual(names(directory.path), ["d"]);
});

Deno.test({
  name: "A full disk keeps the old file, leaves no temporary one, and is reported as full (F2)",
  ignore: !IS_ROOT || Deno.build.os !== "linux",
  async fn() {
    await using directory = await temporaryDirectory();
    const code = `import { createFile, writeFileAtomic, writeFileInPlace } from "../../src/system/files.ts";
      const [f, g, h] = ["f", "g", "h"].map((name) => "${directory.path}/" + name);
      await writeFileAtomic(f, "old", { mode: 0o644 });
      const big = "x".repeat(1_000_000);
      const reasons = [];
      async function write(writing) {
        reasons.push(await writing.then(() => "written", (error) => error.name + " " + error.reason));
      }
      await write(writeFileAtomic(f, big, { mode: 0o644 }));
      await write(createFile(g, new TextEncoder().encode(big), { mode: 0o600 }));
      await Deno.writeTextFile(h, "");
      await write(writeFileInPlace(h, new TextEncoder().encode(big)));
      const names = [...Deno.readDirSync("${directory.path}")].map(({ name }) => name).sort();
      console.log(JSON.stringify({ reasons, text: await Deno.readTextFile(f), names }));`;
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
  name: "A read-only file system and a mount point are reported as such",
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
      await writeFileInPlace("${path}/mounted", new TextEncoder().encode("in place"));
      console.log(JSON.stringify([readOnly, busy, await Deno.readTextFile("${path}/mounted")]));`;
    const shell =
      `exec unshare -m sh -c 'mount --bind ${path}/other ${path}/mounted && mount -t tmpfs -o ro none ${path}/ro && exec "$@"' sh "$@"`;
    const result = await runModule(code, { shell });
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(JSON.parse(result.stdout), ["read_only", true, "in place"]);
    assert.equal(isMountPoint(new FileError("x", { path, reason: "other" })), false);
  },
});

Deno.test("A path outside the permission set is reported, with the flag that allows it", async () => {
  const code = `import { readText } from "../../src/system/files.ts";
    await readText("/etc/hostname").catch(({ reason, message, hint }) => console.log(JSON.stringify({ reason, message, hint })));`;
  const { stdout } = await runModule(code, { permissions: ["--allow-read=/tmp"] });
  assert.deepEqual(JSON.parse(stdout), {
    reason: "not_capable",
    message: "Cannot read /etc/hostname: the permission set does not allow it",
    hint: "Add --allow-read: see docs/permissions.md",
  });
});

Deno.test("createFile() creates a file with bytes and mode in place of any other file", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/key`;
  await Deno.writeTextFile(path, "old", { mode: 0o666 });
  await createFile(path, new Uint8Array([1, 2, 3]), { mode: 0o600 });
  assert.deepEqual(await Deno.readFile(path), new Uint8Array([1, 2, 3]));
  assert.equal((await Deno.stat(path)).mode! & 0o7777, 0o600);
  await assert.rejects(
    createFile(`${directory.path}/none/key`, new Uint8Array(), { mode: 0o600 }),
    fails("missing"),
  );
});

Deno.test({
  name: "writeFileAtomic() sets the owner, also the current one",
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

Deno.test("writeFileInPlace() keeps the inode, and truncates a longer file", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/f`;
  await Deno.writeTextFile(path, "a long text");
  const before = (await statPath(path))!;
  await writeFileInPlace(path, new TextEncoder().encode("short"));
  assert.equal(await Deno.readTextFile(path), "short");
  await writeFileInPlace(path, new Uint8Array([65]));
  assert.equal(await Deno.readTextFile(path), "A");
  assert.equal((await statPath(path))!.inode, before.inode);
  await assert.rejects(writeFileInPlace(`${directory.path}/none`, new Uint8Array(1)), fails("missing"));
});

// It once waited for ever.
Deno.test("writeFileInPlace() does not wait for the reader of a FIFO", async () => {
  await using directory = await temporaryDirectory();
  await makeFifo(`${directory.path}/fifo`);
  await assert.rejects(writeFileInPlace(`${directory.path}/fifo`, new Uint8Array(1)), fails("not_regular"));
  await assert.rejects(writeFileInPlace(directory.path, new Uint8Array(1)), fails("not_regular"));
});

Deno.test("statPath() describes a link, statTarget() its target, and realPath() returns its path", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.writeTextFile(`${path}/f`, "123", { mode: 0o640 });
  await makeLink(`${path}/f`, `${path}/link`);
  await makeLink(`${path}/gone`, `${path}/dead`);
  await makeFifo(`${path}/fifo`);
  const kind = async (name: string) => (await statPath(`${path}/${name}`))?.kind;
  const kinds = await Promise.all(["f", "link", "fifo", ".", "dead", "none"].map(kind));
  assert.deepEqual(kinds, ["file", "symlink", "other", "directory", "symlink", undefined]);
  const { mtimeMs, ...target } = (await statTarget(`${path}/link`))!;
  const { inode } = (await statPath(`${path}/f`))!;
  assert.deepEqual([target.kind, target.size, target.mode, target.inode], ["file", 3, 0o640, inode]);
  assert.ok(Math.abs(mtimeMs - Date.now()) < 60_000);
  assert.equal(await statTarget(`${path}/dead`), undefined);
  assert.equal(await realPath(`${path}/link`), await Deno.realPath(`${path}/f`));
  await assert.rejects(realPath(`${path}/dead`), fails("missing"));
  await assert.rejects(statPath(`${path}/f/x`), fails("other"));
  await assert.rejects(statTarget(`${path}/f/x`), fails("other"));
});

Deno.test("makeDirectory() creates parents and keeps an existing one; listDirectory() sorts", async () => {
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

Deno.test("renameFile() and removeFile() throw; removeFile() accepts a missing file", async () => {
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

Deno.test("removeTemporaries() removes the leftovers of killed runs, and no other file (F1)", async () => {
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

Deno.test("writeFileAtomic() leaves the old or the new text when it is killed at any moment (F1)", async () => {
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
