import assert from "node:assert/strict";
import { IngressMemory } from "../../src/account/ingress_memory.ts";
import * as files from "../../src/system/files.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";

Deno.test("IngressMemory keeps the last ingress of its operator, and reads compact JSON too", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/ingress_endpoint.json`;
  const endpointOf = async (operatorId: string) => {
    const memory = new IngressMemory(path, files);
    await memory.load(operatorId);
    return memory.endpoint;
  };
  const operator = { id: "k8sop_1", certificate: "", selectors: [] };
  const memory = new IngressMemory(path, files);
  await memory.record({ ...operator, ingressEndpoint: "a.example:443" });
  assert.deepEqual([await endpointOf("k8sop_1"), await endpointOf("k8sop_2")], ["a.example:443", undefined]);
  // The file named the operator before: a start while the API was down dialled the default.
  await memory.record({ ...operator, id: "k8sop_2", ingressEndpoint: "a.example:443" });
  assert.equal(await endpointOf("k8sop_2"), "a.example:443");
  const compact = '{"schema":1,"operator_id":"k8sop_1","ingress_endpoint":"b.example:443"}';
  await Deno.writeTextFile(path, compact);
  assert.equal(await endpointOf("k8sop_1"), "b.example:443");
  await Deno.writeTextFile(path, compact.slice(1));
  assert.equal(await endpointOf("k8sop_1"), undefined);
  assert.equal(await Deno.readTextFile(`${path}.bad`), compact.slice(1));
  await memory.record(operator);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

// It dialled the default, and served nothing.
Deno.test("A start while the API is down dials the ingress that the cloud named (R41)", async () => {
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
  // The ingress of another operator, and a damaged file, are not used.
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

Deno.test("IngressMemory says where a file is kept that it has replaced", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/ingress_endpoint.json`;
  await Deno.mkdir(path);
  const memory = new IngressMemory(path, files);
  await memory.load("op_1");
  assert.match(memory.problem!, /it stays until the next write, which renames it to /);
  await memory.record({ id: "op_1", certificate: "", selectors: [], ingressEndpoint: "a.example:443" });
  assert.ok(memory.problem!.endsWith(`; it is kept as ${path}.bad`), memory.problem);
});
