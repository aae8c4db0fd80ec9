import assert from "node:assert/strict";
import { renderBlock } from "../../../src/names/hosts/hosts_block.ts";
import { HostsFile } from "../../../src/names/hosts/hosts_file.ts";
import * as files from "../../../src/system/files.ts";
import { fileOnDisk } from "../file_on_disk.ts";
import { someNames } from "./hosts_texts.ts";

const USER = "127.0.0.1\tlocalhost\n".repeat(500);
const SIZES = [0, 1, 300];

/** Runs `write` while four threads read the file; returns the number of reads and of torn reads. */
async function withReaders(
  write: (path: string, flags: Int32Array) => Promise<void>,
): Promise<{ reads: number; torn: number }> {
  await using file = await fileOnDisk("hosts", USER);
  const { path } = file;
  const flags = new Int32Array(new SharedArrayBuffer(12));
  const legal = SIZES.map((size) => size === 0 ? USER : `${USER}\n${renderBlock(someNames(size))}`);
  const workers = Array.from({ length: 4 }, () => {
    const worker = new Worker(new URL("./reader_worker.ts", import.meta.url), { type: "module" });
    const failed = new Promise<never>((_, reject) =>
      worker.onerror = (event) => reject(new Error(event.message))
    );
    worker.postMessage({ path, legal, flags });
    return { worker, failed };
  });
  try {
    await Promise.race([write(path, flags), ...workers.map(({ failed }) => failed)]);
  } finally {
    Atomics.store(flags, 0, 1);
    for (const { worker } of workers) worker.terminate();
  }
  return { reads: Atomics.load(flags, 1), torn: Atomics.load(flags, 2) };
}

/** Waits for `count` more reads. */
async function moreReads(flags: Int32Array, count: number): Promise<void> {
  const goal = Atomics.load(flags, 1) + count;
  while (Atomics.load(flags, 1) < goal) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("HostsFile shows four readers no torn file in 1,000 rewrites", async () => {
  const { reads, torn } = await withReaders(async (path, flags) => {
    const hosts = new HostsFile(path, { files });
    await moreReads(flags, 4);
    for (let i = 0; i < 1000; i++) {
      const outcome = await hosts.publish(someNames(SIZES[(i + 1) % SIZES.length]!));
      assert.ok(outcome.changed);
    }
    await moreReads(flags, 4);
  });
  assert.ok(reads >= 1000, `${reads} reads`);
  assert.equal(torn, 0);
});

Deno.test("The four readers notice a torn file of a plain write", async () => {
  const { torn } = await withReaders(async (path, flags) => {
    await moreReads(flags, 4);
    const text = `${USER}\n${renderBlock(someNames(300))}`;
    for (let i = 0; i < 10_000 && Atomics.load(flags, 2) === 0; i++) await Deno.writeTextFile(path, text);
  });
  assert.ok(torn > 0);
});
