import assert from "node:assert/strict";
import { ManagedFile } from "../../src/names/managed_file.ts";
import type { ReplaceFileSystem } from "../../src/names/replace_file.ts";
import * as files from "../../src/system/files.ts";
import { buggy, failing, fileOnDisk, filesWith, MOUNT_POINT } from "./file_on_disk.ts";

const USER = "a line of the user\n";

/** A managed file to which each update adds a line of ngrokd, unless it has that line. */
function managed(path: string, options: { files?: ReplaceFileSystem; now?: () => number } = {}) {
  const file = new ManagedFile(path, { files, maxBytes: 1000, hintFor: () => "a hint", ...options });
  return (line: string, isRepair = false) =>
    file.run(() =>
      file.update((text) => ({ next: text.includes(line) ? text : `${line}\n${text}`, isRepair }))
    );
}

Deno.test("ManagedFile makes the edit again when another program writes at the same time", async () => {
  for (const [races, problem] of [[2, undefined], [3, "another program is writing it at the same time"]]) {
    await using file = await fileOnDisk("f", USER);
    let count = 0;
    const racing = filesWith(async () => {
      if (count++ < Number(races)) await file.write(`${USER}saved ${count}\n`);
    });
    const outcome = await managed(file.path, { files: racing })("ours");
    assert.equal(outcome.problem, problem && `Cannot write ${file.path}: ${problem}`);
    assert.equal(outcome.changed, problem === undefined);
    assert.equal(await file.read(), `${outcome.changed ? "ours\n" : ""}${USER}saved ${races}\n`);
    assert.deepEqual(await file.list(), ["f"]);
  }
});

Deno.test("ManagedFile warns once while it writes in place", async () => {
  await using file = await fileOnDisk("f", USER);
  const update = managed(file.path, { files: MOUNT_POINT });
  assert.deepEqual(await update("one"), {
    changed: true,
    warnings: [`Cannot replace ${file.path} as a whole; writing it in place`],
  });
  assert.deepEqual(await update("two"), { changed: true, warnings: [] });
  assert.equal(await file.read(), `two\none\n${USER}`);
});

Deno.test("ManagedFile restores its lines 10 times in 10 minutes, then once in 5 minutes", async () => {
  await using file = await fileOnDisk("f", USER);
  let now = 0;
  const update = managed(file.path, { now: () => now });
  const repairs: number[] = [];
  for (; now < 20 * 60_000; now += 2000) {
    await file.write(USER);
    const { changed, problem, warnings } = await update("ours", true);
    if (changed) repairs.push(now / 1000);
    assert.deepEqual([problem, warnings], [
      changed
        ? undefined
        : `Cannot keep the lines of ngrokd in ${file.path}: another program keeps rewriting it`,
      changed ? [`Another program changed ${file.path}; ngrokd restored its lines`] : [],
    ]);
  }
  assert.deepEqual(repairs, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 318, 618, 918]);
  assert.equal((await update("other", false)).changed, true, "the limit is for repairs only");
});

Deno.test("ManagedFile turns an error of the file system into a problem, and lets a bug through", async () => {
  await using file = await fileOnDisk("f", USER);
  const full = managed(file.path, { files: { ...files, createFile: failing("full") } });
  assert.deepEqual(await full("ours"), {
    changed: false,
    problem: "Cannot write x: full",
    hint: "a hint",
    warnings: [],
  });
  assert.equal(await file.read(), USER);
  await assert.rejects(managed(file.path, { files: { ...files, readBytesIfAny: buggy } })("ours"), TypeError);
});
