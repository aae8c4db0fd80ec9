import assert from "node:assert/strict";
import { closeQuietly, readFull, writeAll } from "../../src/system/byte_stream.ts";
import { memoryPair } from "../fakes/memory_stream.ts";

Deno.test("writeAll() and readFull() transfer all bytes in any number of parts", async () => {
  const { near, far } = memoryPair({ segment: 3, highWater: 5 });
  const sent = new Uint8Array(20).map((_, index) => index);
  const buffer = new Uint8Array(20);
  const [, whole] = await Promise.all([writeAll(near, sent), readFull(far, buffer)]);
  assert.ok(whole);
  assert.deepEqual(buffer, sent);
});

Deno.test("readFull() returns false if the stream ends early", async () => {
  const { near, far } = memoryPair();
  await writeAll(near, new Uint8Array(3));
  await near.closeWrite();
  assert.equal(await readFull(far, new Uint8Array(4)), false);
});

Deno.test("closeQuietly() closes a stream, and accepts one that is closed", () => {
  const { near } = memoryPair();
  closeQuietly(near);
  assert.ok(near.closed);
  closeQuietly(near);
});
