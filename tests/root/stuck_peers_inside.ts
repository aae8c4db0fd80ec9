// Run by stuck_peers_test.ts in a network of its own, whose sockets have small buffers.
import assert from "node:assert/strict";
import { processFigures } from "../../bench/process_figures.ts";
import { Stage } from "../../sim/stage.ts";
import { readExactly, send } from "../fakes/memory_stream.ts";

const ADDRESS = "127.118.0.1";
const CHUNK = new Uint8Array(65_536);

async function talk(conn: Deno.TcpConn): Promise<void> {
  try {
    for (;;) await conn.write(CHUNK);
  } catch {
    // Closed, by either side.
  }
}

async function echo(): Promise<void> {
  using conn = await Deno.connect({ hostname: ADDRESS, port: 7000 });
  await send(conn, "still here");
  assert.equal(new TextDecoder().decode(await readExactly(conn, 10)), "still here");
}

Deno.test("a client that never reads and an endpoint that never reads hold their own senders back, 100 times each", async () => {
  using source = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns: Deno.TcpConn[] = [];
  void (async () => {
    for (;;) {
      const conn = await source.accept();
      conns.push(conn);
      void talk(conn);
    }
  })().catch(() => {});
  await using stage = await Stage.open({
    sections: [
      `net: {listen_interface: ${ADDRESS}, subnet: 127.118.0.0/16}`,
      "bound_endpoints: {poll_interval: 1}",
    ].join("\n"),
  });
  const backend = { forward: `127.0.0.1:${source.addr.port}` };
  stage.cloud.addEndpoint({ url: "tcp://source.test:7001", backend });
  stage.cloud.addEndpoint({ url: "tcp://echo.test:7000", backend: "echo" });
  stage.cloud.addEndpoint({ url: "tcp://stall.test:7002", backend: "stall" });
  stage.startDaemon();
  await stage.settled(3);
  for (let count = 0; count < 50; count++) await echo();
  const before = await processFigures(stage.pid);
  for (let count = 0; count < 100; count++) {
    conns.push(await Deno.connect({ hostname: ADDRESS, port: 7001 }));
    const talker = await Deno.connect({ hostname: ADDRESS, port: 7002 });
    conns.push(talker);
    void talk(talker);
  }
  let moved = -1;
  await stage.until("nothing moves any more", async () => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const rows = await stage.askList();
    const sum = rows.reduce((sum, row) => sum + row.bytes_in + row.bytes_out, 0);
    const isStill = sum === moved && rows.reduce((sum, row) => sum + row.open_connections, 0) === 200;
    moved = sum;
    return isStill;
  }, 60_000);
  const grownKiB = ((await processFigures(stage.pid)).rssMiB - before.rssMiB) * 1024;
  assert.ok(moved > 200 * 16_384, `${moved} bytes only`);
  assert.ok(grownKiB / 200 <= 256, `${(grownKiB / 200).toFixed(0)} KiB each`);
  await echo();
  for (const conn of conns) conn.close();
  await stage.cloud.closeIngress({ cutStreams: true });
  await stage.until(
    "all have ended",
    async () => (await stage.askList()).every((row) => row.open_connections === 0),
  );
});
