import assert from "node:assert/strict";
import { FileError } from "../../src/model/errors.ts";
import { removeTemporary, replaceFile, type ReplaceFileSystem } from "../../src/names/replace_file.ts";
import * as files from "../../src/system/files.ts";
import { buggy, failing, fileOnDisk, MOUNT_POINT, symlink } from "./file_on_disk.ts";

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function replace(path: string, broken: Partial<ReplaceFileSystem>, old: string | null = "old") {
  return replaceFile(path, {
    old: old === null ? undefined : bytes(old),
    next: bytes("new text"),
    files: { ...files, ...broken },
    temporary: `${path}.tmp`,
    maxBytes: 100,
  });
}

Deno.test("replaceFile() writes in place if the file cannot be replaced as a whole", async () => {
  const obstacles: Partial<ReplaceFileSystem>[] = [
    { createFile: failing("denied") },
    { createFile: failing("read_only") },
    { createFile: failing("not_capable") },
    MOUNT_POINT,
  ];
  for (const obstacle of obstacles) {
    await using file = await fileOnDisk("f", "old");
    const inode = (await Deno.stat(file.path)).ino;
    assert.equal(await replace(file.path, obstacle), "in_place");
    assert.equal(await file.read(), "new text");
    assert.equal((await Deno.stat(file.path)).ino, inode);
    assert.deepEqual(await file.list(), ["f"]);
  }
});

Deno.test("replaceFile() does not write in place if the disk is full or the reason is unknown", async () => {
  for (const reason of ["full", "other"] as const) {
    for (const operation of ["createFile", "renameFile"] as const) {
      await using file = await fileOnDisk("f", "old");
      await assert.rejects(replace(file.path, { [operation]: failing(reason) }), {
        name: "FileError",
        reason,
      });
      assert.deepEqual([await file.read(), await file.list()], ["old", ["f"]]);
    }
  }
});

Deno.test("replaceFile() restores the old bytes if writing in place fails half-way", async () => {
  await using file = await fileOnDisk("f", "old");
  let writes = 0;
  const broken: Partial<ReplaceFileSystem> = {
    createFile: failing("read_only"),
    async writeFileInPlace(where, text) {
      if (writes++ > 0) return await files.writeFileInPlace(where, text);
      await files.writeFileInPlace(where, text.subarray(0, 3));
      return await failing("full")();
    },
  };
  await assert.rejects(replace(file.path, broken), { reason: "full" });
  assert.equal(await file.read(), "old");
});

Deno.test("replaceFile() leaves a file that has changed since it was read, in place too", async () => {
  for (const obstacle of [{}, { createFile: failing("denied") }]) {
    await using file = await fileOnDisk("f", "old");
    for (const old of ["OLD", "old and more", null]) {
      // A file that did not exist cannot be written in place.
      if (old === null && "createFile" in obstacle) {
        await assert.rejects(replace(file.path, obstacle, old), FileError);
      } else assert.equal(await replace(file.path, obstacle, old), "overtaken");
    }
    assert.equal(await file.read(), "old");
    await Deno.remove(file.path);
    assert.equal(await replace(file.path, obstacle), "overtaken");
    assert.deepEqual(await file.list(), []);
  }
});

Deno.test("removeTemporary() ignores a file that cannot be removed, but no bug", async () => {
  await removeTemporary("/x", { ...files, removeFile: failing("denied") });
  await assert.rejects(removeTemporary("/x", { ...files, removeFile: buggy }), TypeError);
});

Deno.test({
  name: "replaceFile() writes through no symlink into a directory that others can change",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using file = await fileOnDisk("f", "old");
    const home = `${file.directory}/home`;
    await Deno.mkdir(home);
    await Deno.rename(file.path, `${home}/f`);
    await symlink(`${home}/f`, file.path);
    await Deno.chown(home, 65534, 65534);
    await assert.rejects(replace(file.path, {}), { reason: "unsafe" });
    assert.deepEqual([await file.read(`${home}/f`), await file.list()], ["old", ["f", "home"]]);
    await Deno.chown(home, 0, 0);
    assert.equal(await replace(file.path, {}), "replaced");
    assert.equal(await file.read(`${home}/f`), "new text");
  },
});
