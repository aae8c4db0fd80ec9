import assert from "node:assert/strict";
import { pattern, readExactly, send } from "../fakes/memory_stream.ts";
import { untilRefused } from "../fakes/sockets.ts";
import { fakeMachine } from "./fake_machine.ts";
import { listOf, withDaemon } from "./with_daemon.ts";

const TRANSFERS = 50;
const CHUNK = pattern(16_384);

Deno.test("50 transfers run on while listen_interface changes under them; the new address serves within 5 s, and the old one refuses (F72)", async () => {
  const [old, next] = ["127.144.0.1", "127.144.0.2"];
  await using machine = await fakeMachine([
    `net: {listen_interface: ${old}, subnet: 127.144.0.0/16}`,
    `dns: {listen: "127.144.0.53:5353", manage_resolv_conf: false}`,
  ].join("\n"));
  machine.cloud.addEndpoint({ url: "tcp://echo.test:8398", backend: "echo" });
  await withDaemon(machine, async () => {
    const isAt = async (address: string) => {
      const [row] = await listOf(machine);
      return row?.state === "active" && row.listen_address === `${address}:8398`;
    };
    await machine.until("it is served", () => isAt(old));

    let moved = false;
    let rounds = 0;
    async function transfer(conn: Deno.TcpConn): Promise<void> {
      const echo = async () => {
        await Promise.all([
          send(conn, CHUNK),
          readExactly(conn, CHUNK.length).then((bytes) => assert.deepEqual(bytes, CHUNK)),
        ]);
        rounds++;
      };
      while (!moved) await echo();
      await echo();
      await conn.closeWrite();
      assert.equal(await conn.read(new Uint8Array(1)), null);
      conn.close();
    }
    const conns = await Promise.all(
      Array.from({ length: TRANSFERS }, () => Deno.connect({ hostname: old, port: 8398 })),
    );
    const transfers = Promise.all(conns.map(transfer));
    await machine.until("all move", () => rounds >= TRANSFERS);

    const text = await Deno.readTextFile(machine.configPath);
    await Deno.writeTextFile(machine.configPath, text.replace(old, next));
    const since = performance.now();
    machine.signal("SIGHUP");
    await machine.until("it is served elsewhere", () => isAt(next));
    assert.ok(performance.now() - since < 5000);
    await untilRefused(8398, old);
    using conn = await Deno.connect({ hostname: next, port: 8398 });
    await send(conn, "here");
    assert.equal(new TextDecoder().decode(await readExactly(conn, 4)), "here");
    moved = true;
    await transfers;
  });
});
