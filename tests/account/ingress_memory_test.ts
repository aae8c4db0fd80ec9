import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import { fakeMachine } from "../daemon/fake_machine.ts";
import { listOf, statusLine, statusOf, withDaemon } from "../daemon/with_daemon.ts";

Deno.test("a start while the API is down dials the ingress that the cloud has named (it dialled the default, and served nothing) (R41)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.129.0.0/16}");
  const { cloud, configPath, directory } = machine;
  const config = await Deno.readTextFile(configPath);
  await Deno.writeTextFile(configPath, config.replace(/^ingressEndpoint: .*\n/m, ""));
  cloud.addEndpoint({ url: "http://api.myapp:8356", backend: "http" });
  const named = `${cloud.ingressHost}:${cloud.ingressPort}`;
  await withDaemon(machine, async () => {
    assert.equal((await statusOf(machine)).ingress_endpoint, named);
  });
  cloud.faults.set({ kind: "error", status: 503 });
  const running = runDaemon(["--config", configPath], machine.system);
  try {
    await machine.until("it is listed", async () => (await listOf(machine)).length === 1);
    await machine.until("the API fails", async () => (await statusOf(machine)).api.error !== null);
    assert.equal((await statusOf(machine)).ingress_endpoint, named);
    assert.equal(await statusLine((await listOf(machine))[0]!), "HTTP/1.1 200 OK");
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0);
  }
  // What was named for another operator, or is damaged, is not used.
  const path = `${directory}/state/ingress_endpoint.json`;
  const kept = JSON.parse(await Deno.readTextFile(path));
  for (const text of [JSON.stringify({ ...kept, operator_id: "k8sop_other" }), "{", '{"schema":2}']) {
    await Deno.writeTextFile(path, text);
    const again = runDaemon(["--config", configPath], machine.system);
    await machine.until("it is listed", async () => (await listOf(machine)).length === 1);
    assert.equal((await statusOf(machine)).ingress_endpoint, "kubernetes-binding-ingress.ngrok.io:443", text);
    machine.signal("SIGTERM");
    assert.equal(await again, 0);
  }
});
