import assert from "node:assert/strict";
import { SwitchDetector } from "../../../src/forward/http/switch_detector.ts";
import type { SwitchKind } from "../../../src/forward/http/frame_requests.ts";
import { latin1, memoryPair, readAll, send, text } from "../../fakes/memory_stream.ts";

async function verdict(kind: SwitchKind, answer: string, segment = Infinity): Promise<boolean> {
  const { near, far } = memoryPair({ segment });
  const detector = new SwitchDetector(near, kind);
  await send(far, answer);
  const reading = readAll(detector);
  await far.closeWrite();
  assert.equal(text(await reading), answer, "the bytes are passed on unchanged");
  return await detector.switched;
}

Deno.test("SwitchDetector takes only 101 for an upgrade", async () => {
  for (const segment of [1, Infinity]) {
    assert.equal(
      await verdict("upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n~", segment),
      true,
    );
    assert.equal(
      await verdict("upgrade", "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 101\r\n\r\n", segment),
      true,
    );
    assert.equal(await verdict("upgrade", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 X\r\n\r\n", segment), false);
    assert.equal(
      await verdict("upgrade", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n", segment),
      false,
    );
  }
});

Deno.test("SwitchDetector takes any 2xx for a tunnel after CONNECT", async () => {
  assert.equal(await verdict("connect", "HTTP/1.1 200 Connection established\r\n\r\n"), true);
  assert.equal(await verdict("connect", "HTTP/1.0 204 X\r\n\r\n"), true);
  assert.equal(await verdict("connect", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), false);
});

Deno.test("SwitchDetector takes everything else for a refusal", async () => {
  assert.equal(await verdict("upgrade", ""), false);
  assert.equal(await verdict("upgrade", "HTTP/1.1 10"), false);
  assert.equal(await verdict("upgrade", "SSH-2.0-x\r\n"), false);
  assert.equal(await verdict("upgrade", "x".repeat(20_000)), false);
  assert.equal(await verdict("upgrade", `HTTP/1.1 100 Continue\r\nX: ${"y".repeat(20_000)}`), false);
});

Deno.test("SwitchDetector decides when the connection ends, and inspects early bytes", async () => {
  const broken = memoryPair();
  const detector = new SwitchDetector(broken.near, "upgrade");
  broken.far.reset();
  await assert.rejects(detector.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  assert.equal(await detector.switched, false);
  const closed = new SwitchDetector(memoryPair().near, "upgrade");
  closed.close();
  assert.equal(await closed.switched, false);
  const early = new SwitchDetector(memoryPair().near, "upgrade");
  early.inspect(latin1("HTTP/1.1 101 Switching Protocols\r\n"));
  assert.equal(await early.switched, true);
});
