import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { connectTo, withDaemon } from "../fakes/with_daemon.ts";

async function echo(conn: Deno.Conn, text: string): Promise<void> {
  await conn.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(64);
  assert.equal(new TextDecoder().decode(buffer.subarray(0, (await conn.read(buffer))!)), text);
}

Deno.test("A renewal applies to connections within 1 s; earlier ones keep the old certificate", async () => {
  await using machine = await FakeMachine.create();
  const { cloud } = machine;
  cloud.addEndpoint({ url: "tcp://db.renewed:7462", backend: "echo" });
  await withDaemon(machine, async () => {
    const [row] = await machine.active(1);
    const serial = async () => (await machine.askStatus()).certificate!.serial;
    const old = await serial();
    using running = await connectTo(row!);
    await echo(running, "before");
    // A connection that was dialled ahead of its use would present the old certificate.
    assert.equal(cloud.openConnections, 1);
    assert.equal((await machine.request("refresh-cert", ["--force"])).success, true);
    const renewedAt = performance.now();
    using fresh = await connectTo(row!);
    await echo(fresh, "new");
    assert.ok(performance.now() - renewedAt < 1000);
    const renewed = await serial();
    assert.notEqual(renewed, old);
    await echo(running, "after");
    assert.deepEqual(cloud.upgrades().map(({ certSerial }) => certSerial), [old, renewed]);
  });
});
