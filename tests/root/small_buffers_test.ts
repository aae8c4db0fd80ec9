import assert from "node:assert/strict";
import { listenTcp } from "../../src/system/tcp.ts";
import { readAll } from "../fakes/memory_stream.ts";
import { rootTests } from "./test_root.ts";

const test = rootTests(import.meta.url, {
  prelude: `for name in tcp_wmem tcp_rmem; do echo "4096 4096 4096" > /proc/sys/net/ipv4/$name; done`,
});

// The handle for a reset was opened after 64 KiB. A client with small buffers had stopped by then.
test("a client with small buffers that stops to read early is reset, too (R62)", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const accepted = await listener.accept();
  listener.close();
  const block = new Uint8Array(16_384);
  let written = 0;
  async function fill(): Promise<void> {
    for (;;) written += await accepted.write(block);
  }
  const filling = assert.rejects(fill(), Deno.errors.Interrupted);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(written < 16_384, `${written} bytes were taken`);
  await accepted.abort!();
  await filling;
  await assert.rejects(readAll(client), Deno.errors.ConnectionReset);
});
