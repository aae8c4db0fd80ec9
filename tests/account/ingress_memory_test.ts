import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";

Deno.test("a start while the API is down dials the ingress that the cloud has named (it dialled the default, and served nothing) (R41)", async () => {
  await using machine = await FakeMachine.create({ ingress: "" });
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8356", backend: "http" });
  const named = `${cloud.ingressHost}:${cloud.ingressPort}`;
  await withDaemon(machine, async () => {
    assert.equal((await machine.askStatus()).ingress_endpoint, named);
  });
  cloud.faults.set({ kind: "error", status: 503 });
  const running = machine.run();
  try {
    await machine.until("it is listed", async () => (await machine.askList()).length === 1);
    await machine.until("the API fails", async () => (await machine.askStatus()).api.error !== null);
    assert.equal((await machine.askStatus()).ingress_endpoint, named);
    assert.equal(await statusLine((await machine.askList())[0]!), "HTTP/1.1 200 OK");
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0);
  }
  // What was named for another operator, or is damaged, is not used.
  const path = `${machine.etc}/ingress_endpoint.json`;
  const kept = JSON.parse(await Deno.readTextFile(path));
  for (const text of [JSON.stringify({ ...kept, operator_id: "k8sop_other" }), "{", '{"schema":2}']) {
    await Deno.writeTextFile(path, text);
    const again = machine.run();
    await machine.until("it is listed", async () => (await machine.askList()).length === 1);
    assert.equal(
      (await machine.askStatus()).ingress_endpoint,
      "kubernetes-binding-ingress.ngrok.io:443",
      text,
    );
    machine.signal("SIGTERM");
    assert.equal(await again, 0);
  }
});
