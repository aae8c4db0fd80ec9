import assert from "node:assert/strict";
import { takeLoopbackNetwork } from "../../sim/loopback_network.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { readExactly, send } from "../fakes/memory_stream.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

Deno.test("A reload of net.idle_timeout resets connections that are already idle (R77)", async () => {
  const network = takeLoopbackNetwork();
  const address = network.address("0.1");
  await using machine = await FakeMachine.create({
    network,
    net: `listen_interface: ${address}\nidle_timeout: 3600`,
    dns: `listen: ${network.address("0.53")}:5353`,
  });
  machine.cloud.addEndpoint({ url: "tcp://echo.test:8397", backend: "echo" });
  await withDaemon(machine, async () => {
    await machine.active(1);
    using conn = await Deno.connect({ hostname: address, port: 8397 });
    await send(conn, "idle");
    await readExactly(conn, 4);
    await machine.reloadWith("idle_timeout: 3600", "idle_timeout: 1");
    const start = performance.now();
    await assert.rejects(conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    assert.ok(performance.now() - start < 5_000);
  });
});
