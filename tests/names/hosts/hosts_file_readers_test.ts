import assert from "node:assert/strict";
import { renderBlock } from "../../../src/names/hosts/hosts_block.ts";
import { HostsFile } from "../../../src/names/hosts/hosts_file.ts";
import * as files from "../../../src/system/files.ts";
import { someNames } from "./hosts_fixtures.ts";

const USER = "127.0.0.1\tlocalhost\n".repeat(500);
const SIZES = [0, 1, 300];

/** Runs `write` while four threads read the file all the time; gives how often they read and how many reads were torn. */
async function withReaders(
  write: (path: string, flags: Int32Array) => Promise<void>,
): Promise<{ reads: number; torn: number }> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/hosts`;
  const flags = new Int32Array(new SharedArrayBuffer(12));
  const legal = SIZES.map((size) => size === 0 ? USER : `${USER}\n${renderBlock(someNames(size))}`);
  await Deno.writeTextFile(path, USER);
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
    await Deno.remove(directory, { recursive: true });
  }
  return { reads: Atomics.load(flags, 1), torn: Atomics.load(flags, 2) };
}

/** Waits until the readers have read `count` times more. */
async function moreReads(flags: Int32Array, count: number): Promise<void> {
  const goal = Atomics.load(flags, 1) + count;
  while (Atomics.load(flags, 1) < goal) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("HostsFile: four readers see no torn file in 1,000 rewrites", async () => {
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

Deno.test("HostsFile: the four readers would have seen a torn file", async () => {
  const { torn } = await withReaders(async (path, flags) => {
    await moreReads(flags, 4);
    const text = `${USER}\n${renderBlock(someNames(300))}`;
    for (let i = 0; i < 10_000 && Atomics.load(flags, 2) === 0; i++) await Deno.writeTextFile(path, text);
  });
  assert.ok(torn > 0);
});
