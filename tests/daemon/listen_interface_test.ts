import assert from "node:assert/strict";
import { takeLoopbackNetwork } from "../../sim/loopback_network.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { pattern, readExactly, send } from "../fakes/memory_stream.ts";
import { untilRefused } from "../fakes/sockets.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

const TRANSFERS = 50;
const CHUNK = pattern(16_384);

Deno.test("A change of listen_interface keeps 50 transfers running and serves within 5 s (F72)", async () => {
  const network = takeLoopbackNetwork();
  const [old, next] = [network.address("0.1"), network.address("0.2")];
  await using machine = await FakeMachine.create({
    network,
    net: `listen_interface: ${old}`,
    dns: `listen: ${network.address("0.53")}:5353`,
  });
  machine.cloud.addEndpoint({ url: "tcp://echo.test:8398", backend: "echo" });
  await withDaemon(machine, async () => {
    const isAt = async (address: string) => {
      const [row] = await machine.askList();
      return row?.state === "active" && row.listen_address === `${address}:8398`;
    };
    await machine.until("the old address", () => isAt(old));

    let hasMoved = false;
    let echoes = 0;
    async function transfer(conn: Deno.TcpConn): Promise<void> {
      const echo = async () => {
        await Promise.all([
          send(conn, CHUNK),
          readExactly(conn, CHUNK.length).then((bytes) => assert.deepEqual(bytes, CHUNK)),
        ]);
        echoes++;
      };
      while (!hasMoved) await echo();
      await echo();
      await conn.closeWrite();
      assert.equal(await conn.read(new Uint8Array(1)), null);
      conn.close();
    }
    const conns = await Promise.all(
      Array.from({ length: TRANSFERS }, () => Deno.connect({ hostname: old, port: 8398 })),
    );
    const transfers = Promise.all(conns.map(transfer));
    await machine.until("data on every connection", () => echoes >= TRANSFERS);

    const startedAt = performance.now();
    await machine.reloadWith(old, next);
    await machine.until("the new address", () => isAt(next));
    assert.ok(performance.now() - startedAt < 5000);
    await untilRefused(8398, old);
    using conn = await Deno.connect({ hostname: next, port: 8398 });
    await send(conn, "here");
    assert.equal(new TextDecoder().decode(await readExactly(conn, 4)), "here");
    hasMoved = true;
    await transfers;
  });
});
