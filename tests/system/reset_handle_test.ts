import assert from "node:assert/strict";
import { ResetHandle } from "../../src/system/reset_handle.ts";
import { listenTcp } from "../../src/system/tcp.ts";

const BLOCK = new Uint8Array(65_536);

/** Reads until the connection ends; returns true if a reset ended it. */
async function endsWithReset(conn: Deno.TcpConn): Promise<boolean> {
  try {
    while (await conn.read(new Uint8Array(65_536)) !== null);
    return false;
  } catch (error) {
    assert.ok(error instanceof Deno.errors.ConnectionReset, String(error));
    return true;
  }
}

/** Writes until the peer takes no more, and longer. */
async function fill(write: (data: Uint8Array) => Promise<number>): Promise<{ writing: Promise<unknown> }> {
  for (;;) {
    const writing = write(BLOCK).then(() => true, (error) => error);
    const isFull = await Promise.race([writing, new Promise((resolve) => setTimeout(resolve, 500, "full"))]);
    if (isFull === "full") return { writing };
  }
}

// The kernel kept 4 MiB for a peer that does not read, minutes after the connection was closed.
Deno.test("abort() of an accepted connection resets it while a write waits (R76)", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  using peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const accepted = await listener.accept();
  listener.close();
  const { writing } = await fill((data) => accepted.write(data));
  accepted.abort!();
  assert.ok(await writing instanceof Error);
  assert.ok(await endsWithReset(peer), "all bytes were kept for the peer");
});

Deno.test("close() of an accepted connection delivers what was written before", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  using peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const accepted = await listener.accept();
  listener.close();
  for (let count = 0; count < 3; count++) await accepted.write(BLOCK);
  accepted.close();
  assert.equal(await endsWithReset(peer), false);
});

Deno.test("ResetHandle cannot be opened for a connection that is closed", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using _peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const conn = await listener.accept();
  conn.close();
  assert.equal(ResetHandle.open(conn), undefined);
});
