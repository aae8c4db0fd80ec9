import assert from "node:assert/strict";
import { freePort } from "../../sim/daemon_harness.ts";
import { takeLoopbackNetwork } from "../../sim/loopback_network.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { connectTo, withDaemon } from "../fakes/with_daemon.ts";

const CHANGES = 4;

/** Two free ports, one after the other: `net.start_port` and the next. */
function freePair(): number {
  for (;;) {
    const port = freePort();
    try {
      Deno.listen({ port: port + 1 }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

// The runtime frees a port only after the pending accept() has ended, so that the listener on
// 0.0.0.0 found its port in use, by our own listener on the virtual address.
Deno.test("A change of mode moves no port, and back, with a client connected (R106)", async () => {
  const [tcp, http] = [freePort(), freePort()];
  const startPort = freePair();
  const network = takeLoopbackNetwork();
  await using machine = await FakeMachine.create({
    network,
    dns: `listen: ${network.address("0.53")}:5353`,
    net: `start_port: ${startPort}\nlisten_interface: virtual`,
  });
  machine.cloud.addEndpoint({ url: `tcp://db.test:${tcp}`, backend: "echo" });
  machine.cloud.addEndpoint({ url: `http://app.test:${http}`, backend: "http" });
  await withDaemon(machine, async () => {
    using clients = new DisposableStack();
    const modes = ["virtual", "0.0.0.0"] as const;
    for (let change = 0; change <= CHANGES; change++) {
      const mode = modes[change % 2]!;
      if (change > 0) await machine.reloadWith(/listen_interface: .*/, `listen_interface: ${mode}`);
      await machine.until(`both are in mode ${mode}`, async () => {
        const rows = await machine.askList();
        return rows.length === 2 && rows.every((row) => row.mode === mode && row.state === "active");
      });
      const rows = await machine.askList();
      assert.deepEqual(
        rows.map((row) => Number(row.listen_address.split(":")[1])).sort(),
        [tcp, http].sort(),
      );
      const db = rows.find(({ hostname }) => hostname === "db.test")!;
      clients.use(await connectTo(db));
      const ports = JSON.parse(await Deno.readTextFile(`${machine.etc}/network_ports.json`));
      assert.deepEqual(ports, change === 0 ? {} : { [`app.test:${http}`]: startPort });
    }
    assert.doesNotMatch(machine.logText, /Port in use| ERROR |Cannot (serve|bind)|its address is now/);
  });
});
