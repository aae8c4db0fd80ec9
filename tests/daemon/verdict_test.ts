import assert from "node:assert/strict";
import type { HealthReport } from "../../src/model/report.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { connectTo, withDaemon } from "../fakes/with_daemon.ts";

/** Asks a health path for the status and the JSON of its response. */
async function get(machine: FakeMachine, path: string): Promise<[number, Partial<HealthReport>]> {
  const headers = { Accept: "application/json" };
  const response = await fetch(`http://127.0.0.1:${machine.healthPort}${path}`, { headers });
  return [response.status, await response.json()];
}

async function untilVerdict(machine: FakeMachine, summary: RegExp): Promise<void> {
  await machine.until(`${summary}`, async () => summary.test((await machine.askStatus()).summary));
}

// With a refused key and nothing served, /readyz said ready.
Deno.test("The daemon is ready from the first list that it serves, not from the first poll (R108)", async () => {
  await using machine = await FakeMachine.create();
  machine.cloud.addEndpoint({ url: "http://a.internal:8352", backend: "http" });
  machine.cloud.faults.set({ kind: "error", status: 401, code: "ERR_NGROK_206" });
  await withDaemon(machine, async () => {
    await untilVerdict(machine, /^down: the API refuses the key; no list of endpoints yet/);
    const [status, { summary, reasons }] = await get(machine, "/readyz");
    assert.deepEqual([status, summary], [503, (await machine.askStatus()).summary]);
    assert.match(reasons![0]!, /^API: .*401/);
    assert.equal((await get(machine, "/healthz"))[0], 200);
    machine.cloud.faults.clear();
    assert.equal((await machine.request("set-api-key", [machine.cloud.addApiKey()])).success, true);
    await untilVerdict(machine, /^ok$/);
    await machine.until("ready", async () => (await get(machine, "/readyz"))[0] === 200);
    assert.equal((await get(machine, "/status"))[1].list, "fresh");
  }, { ready: "answered" });

  // The key is refused again after a restart, and the list of the last run is served.
  machine.cloud.faults.set({ kind: "error", status: 401, code: "ERR_NGROK_206" });
  await withDaemon(machine, async () => {
    await untilVerdict(machine, /^degraded: the API refuses the key$/);
    assert.equal((await get(machine, "/readyz"))[0], 200);
    assert.equal((await get(machine, "/status"))[1].list, "kept");
  }, { ready: "answered" });
});

Deno.test("The verdict of the daemon follows its configuration, the list and the API (R108)", async () => {
  await using machine = await FakeMachine.create();
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://a.internal:8352", backend: "http" });
  await withDaemon(machine, async () => {
    await untilVerdict(machine, /^ok$/);
    await machine.reloadWith("net:", "net:\n  start_port: 70000");
    await untilVerdict(machine, /^degraded: the configuration is rejected$/);
    await machine.reloadWith("\n  start_port: 70000", "");
    await untilVerdict(machine, /^ok$/);

    const { id } = cloud.addEndpoint({ url: "http://localhost", backend: "http" });
    await untilVerdict(machine, /^degraded: 1 endpoint refused$/);
    assert.match((await machine.askStatus()).reasons.join(), /^http:\/\/localhost: /);
    cloud.removeEndpoint(id);
    await untilVerdict(machine, /^ok$/);

    cloud.faults.set({ kind: "error", status: 500 });
    await untilVerdict(machine, /^degraded: the API answers with errors$/);
  });
});

Deno.test("The daemon is down and not ready while it drains (R108)", async () => {
  await using machine = await FakeMachine.create();
  machine.cloud.addEndpoint({ url: "tcp://db.internal:8351", backend: "echo" });
  const running = machine.run();
  const [row] = await machine.active(1);
  const conn = await connectTo(row!);
  await conn.write(new TextEncoder().encode("ping"));
  assert.equal(await conn.read(new Uint8Array(8)), 4);
  machine.signal("SIGTERM");
  await machine.untilLogged("Waiting for running connections");
  assert.equal((await machine.askStatus()).summary, "down: ngrokd is shutting down");
  await machine.until("not ready", async () => (await get(machine, "/readyz"))[0] === 503);
  conn.close();
  assert.equal(await running, 0);
});
