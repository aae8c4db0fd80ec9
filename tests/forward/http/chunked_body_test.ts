import assert from "node:assert/strict";
import { BadChunk, ChunkedBody } from "../../../src/forward/http/chunked_body.ts";
import { latin1 } from "../../fakes/memory_stream.ts";

/** Counts how often each byte is looked at. */
function counted(bytes: Uint8Array, looks: number[]): Uint8Array {
  return new Proxy(bytes, {
    get(target, key) {
      if (typeof key === "string" && /^[0-9]+$/.test(key)) looks[Number(key)] = (looks[Number(key)] ?? 0) + 1;
      return Reflect.get(target, key, target);
    },
  });
}

// A trailer of 128 KiB that came byte by byte was once searched from its start at each read.
Deno.test("ChunkedBody looks a few times at each byte of a line that comes byte by byte", () => {
  const body = new ChunkedBody();
  assert.equal(body.take(latin1("0\r\n")), 3);
  const line = latin1(`X: ${"y".repeat(3000)}\r\n`);
  const looks: number[] = [];
  for (let length = 1; length < line.length; length++) {
    assert.equal(body.take(counted(line.subarray(0, length), looks)), 0);
  }
  assert.equal(body.take(counted(line, looks)), line.length);
  assert.ok(body.inTrailers);
  assert.ok(Math.max(...looks) <= 4, `${Math.max(...looks)} looks`);
});

Deno.test("ChunkedBody limits a line with a size to 1 KiB, and all trailers to 16 KiB", () => {
  for (const [before, start, limit] of [["", "1;", 1024], ["0\r\nX: y\r\n", "X:", 16_384 - 6]] as const) {
    for (const [length, isValid] of [[limit, true], [limit + 1, false]] as const) {
      const body = new ChunkedBody();
      assert.equal(body.take(latin1(before)), before.length);
      const line = latin1(`${start}${"x".repeat(length - start.length - 2)}\r\n`);
      if (isValid) assert.equal(body.take(line), length);
      else assert.throws(() => body.take(line), BadChunk);
    }
  }
});
