import assert from "node:assert/strict";
import { processFigures } from "../../bench/process_figures.ts";
import { Stage } from "../../sim/stage.ts";
import { exchange } from "../e2e/client.ts";
import { text } from "../fakes/memory_stream.ts";
import { rootTests } from "./test_root.ts";

const CHUNK = new Uint8Array(65_536);

const test = rootTests(import.meta.url, {
  // The kernel's buffers must fill soon, because the daemon's own buffers count here.
  prelude: [
    'echo "4096 16384 65536" > /proc/sys/net/ipv4/tcp_wmem',
    'echo "4096 16384 65536" > /proc/sys/net/ipv4/tcp_rmem',
  ].join("\n"),
});

/** Writes until either side closes. */
async function writeForever(conn: Deno.TcpConn): Promise<void> {
  try {
    for (;;) await conn.write(CHUNK);
  } catch {
    // One side has closed the connection.
  }
}

test("200 connections that are never read cost at most 256 KiB each, and disturb no others (F59)", async () => {
  using source = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns: Deno.TcpConn[] = [];
  void (async () => {
    for (;;) {
      const conn = await source.accept();
      conns.push(conn);
      void writeForever(conn);
    }
  })().catch(() => {});
  await using stage = await Stage.open({
    pollSeconds: 1,
    net: (network) => `listen_interface: ${network.address("0.1")}`,
  });
  const hostname = stage.network.address("0.1");
  async function assertEchoes(): Promise<void> {
    const sent = "still here";
    assert.equal(text(await exchange(`${hostname}:7000`, sent)), sent);
  }
  const backend = { forward: `127.0.0.1:${source.addr.port}` };
  stage.cloud.addEndpoint({ url: "tcp://source.test:7001", backend });
  stage.cloud.addEndpoint({ url: "tcp://echo.test:7000", backend: "echo" });
  stage.cloud.addEndpoint({ url: "tcp://stall.test:7002", backend: "stall" });
  stage.startDaemon();
  await stage.settled(3);
  for (let count = 0; count < 50; count++) await assertEchoes();
  const before = await processFigures(stage.pid);
  for (let count = 0; count < 100; count++) {
    conns.push(await Deno.connect({ hostname, port: 7001 }));
    const writer = await Deno.connect({ hostname, port: 7002 });
    conns.push(writer);
    void writeForever(writer);
  }
  let moved = -1;
  await stage.until("no byte moves", async () => {
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
  await assertEchoes();
  for (const conn of conns) conn.close();
  await stage.cloud.closeIngress({ cutStreams: true });
  await stage.until(
    "all have ended",
    async () => (await stage.askList()).every((row) => row.open_connections === 0),
  );
});
