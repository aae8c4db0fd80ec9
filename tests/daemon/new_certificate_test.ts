import assert from "node:assert/strict";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";
import { listOf, statusOf, withDaemon } from "./with_daemon.ts";

async function connect(machine: FakeMachine): Promise<Deno.TcpConn> {
  const [address, port] = (await listOf(machine))[0]!.listen_address.split(":");
  return await Deno.connect({ hostname: address!, port: Number(port) });
}

async function echo(conn: Deno.Conn, text: string): Promise<void> {
  await conn.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(64);
  assert.equal(new TextDecoder().decode(buffer.subarray(0, (await conn.read(buffer))!)), text);
}

Deno.test("the first connection after a renewal presents the new certificate within 1 s, and those that run stay on the old one", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.124.0.0/16}");
  machine.cloud.addEndpoint({ url: "tcp://db.renewed:7462", backend: "echo" });
  await withDaemon(machine, async () => {
    await machine.until("it listens", async () => (await listOf(machine))[0]?.state === "active");
    const serial = async () => (await statusOf(machine)).certificate!.serial;
    const old = await serial();
    using running = await connect(machine);
    await echo(running, "before");
    // Nothing is dialled ahead of its use, which would go on with the old certificate.
    assert.equal(machine.cloud.openConnections, 1);
    assert.equal((await machine.ask("refresh-cert", ["--force"])).success, true);
    const renewedAt = performance.now();
    using fresh = await connect(machine);
    await echo(fresh, "new");
    assert.ok(performance.now() - renewedAt < 1000);
    const renewed = await serial();
    assert.notEqual(renewed, old);
    await echo(running, "after");
    assert.deepEqual(machine.cloud.upgrades().map(({ certSerial }) => certSerial), [old, renewed]);
  });
});
