import assert from "node:assert/strict";
import { FileError, type FileFailure } from "../../src/model/errors.ts";
import { HostsFile } from "../../src/names/hosts/hosts_file.ts";
import { type HostsFileSystem, removeStray, replaceFile } from "../../src/names/replace_file.ts";
import * as files from "../../src/system/files.ts";
import { someNames } from "./hosts/hosts_fixtures.ts";

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function failing(reason: FileFailure, cause?: Error): () => Promise<never> {
  return () => Promise.reject(new FileError(`Cannot write x: ${reason}`, { path: "x", reason, cause }));
}

async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/f`, "old");
    await body(`${directory}/f`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function replace(path: string, broken: Partial<HostsFileSystem>, old: string | null = "old") {
  return replaceFile(path, {
    old: old === null ? undefined : bytes(old),
    next: bytes("new text"),
    files: { ...files, ...broken },
    temporary: `${path}.tmp`,
    maxBytes: 100,
  });
}

Deno.test("replaceFile() writes in place where the file cannot be replaced, and leaves no temporary file", async () => {
  const obstacles: Partial<HostsFileSystem>[] = [
    { createFile: failing("denied") },
    { createFile: failing("read_only") },
    { createFile: failing("not_capable") },
    { renameFile: failing("other", new Deno.errors.Busy("mount point")) },
  ];
  for (const obstacle of obstacles) {
    await withFile(async (path) => {
      const inode = (await Deno.stat(path)).ino;
      assert.equal(await replace(path, obstacle), "in_place");
      assert.equal(await Deno.readTextFile(path), "new text");
      assert.equal((await Deno.stat(path)).ino, inode);
      await assert.rejects(Deno.stat(`${path}.tmp`), Deno.errors.NotFound);
    });
  }
});

Deno.test("replaceFile() does not write in place when the disk is full or for an unknown reason", async () => {
  for (const reason of ["full", "other"] as const) {
    for (const verb of ["createFile", "renameFile"] as const) {
      await withFile(async (path) => {
        await assert.rejects(replace(path, { [verb]: failing(reason) }), { name: "FileError", reason });
        assert.equal(await Deno.readTextFile(path), "old");
        await assert.rejects(Deno.stat(`${path}.tmp`), Deno.errors.NotFound);
      });
    }
  }
});

Deno.test("replaceFile() puts the old bytes back when writing in place fails half-way", async () => {
  await withFile(async (path) => {
    let writes = 0;
    const broken: Partial<HostsFileSystem> = {
      createFile: failing("read_only"),
      async writeFileInPlace(where, text) {
        if (writes++ > 0) return await files.writeFileInPlace(where, text);
        await files.writeFileInPlace(where, text.subarray(0, 3));
        return await failing("full")();
      },
    };
    await assert.rejects(replace(path, broken), { reason: "full" });
    assert.equal(await Deno.readTextFile(path), "old");
  });
});

Deno.test("replaceFile() leaves a file alone that is not what was read, on both ways", async () => {
  for (const obstacle of [{}, { createFile: failing("denied") }]) {
    await withFile(async (path) => {
      for (const old of ["OLD", "old and more", null]) {
        // A file that was not there cannot be written in place.
        if (old === null && "createFile" in obstacle) {
          await assert.rejects(replace(path, obstacle, old), FileError);
        } else assert.equal(await replace(path, obstacle, old), "overtaken");
      }
      assert.equal(await Deno.readTextFile(path), "old");
      await Deno.remove(path);
      assert.equal(await replace(path, obstacle), "overtaken");
      await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    });
  }
});

Deno.test("removeStray() bears what cannot be removed, and nothing else", async () => {
  await removeStray("/x", { ...files, removeFile: failing("denied") });
  await assert.rejects(
    removeStray("/x", { ...files, removeFile: () => Promise.reject(new TypeError("bug")) }),
    TypeError,
  );
});

Deno.test("HostsFile says what is wrong and what to do when nothing can be written", async () => {
  await withFile(async (path) => {
    const denied = { ...files, createFile: failing("denied"), writeFileInPlace: failing("denied") };
    const outcome = await new HostsFile(path, { files: denied }).publish(someNames(1));
    assert.deepEqual([outcome.changed, outcome.problem], [false, "Cannot write x: denied"]);
    assert.match(outcome.hint!, /^Run ngrokd as root, and see whether .* \(lsattr x\)/);
    const full = await new HostsFile(path, { files: { ...files, createFile: failing("full") } }).publish(
      someNames(1),
    );
    assert.equal(full.hint, "Make room on the disk; it is tried again at the next poll");
    assert.equal(await Deno.readTextFile(path), "old");
  });
});

Deno.test("HostsFile warns once that it writes in place", async () => {
  await withFile(async (path) => {
    const hosts = new HostsFile(path, { files: { ...files, createFile: failing("denied") } });
    assert.deepEqual((await hosts.publish(someNames(1))).warnings, [
      `${path} cannot be replaced as a whole: it is written where it stands`,
    ]);
    assert.deepEqual((await hosts.publish(someNames(2))).warnings, []);
    assert.deepEqual(await hosts.observe(), someNames(2));
  });
});
