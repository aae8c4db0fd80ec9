import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { callApi, register, upgrade } from "./raw_client.ts";

// deno-lint-ignore no-explicit-any
async function admin(cloud: SimulatedCloud, call: string, body?: unknown): Promise<any> {
  const [method = "", path = ""] = call.split(" ");
  const response = await fetch(cloud.adminUrl + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

Deno.test("the admin API sets and clears faults and switches", async () => {
  await using cloud = await SimulatedCloud.start();
  const fault = { kind: "error", status: 503, route: "endpoints.list" };
  assert.deepEqual((await admin(cloud, "POST /faults", fault)).body, [fault]);
  assert.equal((await callApi(cloud, "GET /endpoints")).status, 503);
  await admin(cloud, "POST /faults", [{ kind: "ingress.stall" }, { kind: "reset", after: 5 }]);
  assert.equal((await admin(cloud, "GET /faults")).body.length, 3);
  assert.equal((await admin(cloud, "DELETE /faults/ingress.stall")).body.length, 2);
  assert.deepEqual((await admin(cloud, "DELETE /faults")).body, []);
  assert.equal((await callApi(cloud, "GET /endpoints")).status, 200);
  assert.equal((await admin(cloud, "POST /switches", { frameWaitMs: null })).body.frameWaitMs, null);
  assert.equal((await admin(cloud, "GET /switches")).body.frameWaitMs, null);
  assert.equal(cloud.switches.frameWaitMs, null);
});

Deno.test("the admin API adds, changes and removes endpoints, and lists all records", async () => {
  await using cloud = await SimulatedCloud.start();
  const { id } = (await admin(cloud, "POST /endpoints", { url: "tcp://a.myapp:1", backend: "down" })).body;
  assert.equal((await admin(cloud, `POST /endpoints/${id}/backend`, "echo")).status, 200);
  assert.deepEqual(
    (await admin(cloud, "GET /endpoints")).body.map((endpoint: { backend: string }) => endpoint.backend),
    ["echo"],
  );
  const operator = await register(cloud);
  {
    await using stream = await upgrade(cloud, operator, { host: "a.myapp", port: 1 });
    assert.equal(stream.response.endpointId, id);
    const counts = (await admin(cloud, "GET /counts")).body;
    assert.deepEqual([counts.accepted, counts.openStreams, counts.openConnections], [1, 1, 1]);
  }
  assert.equal((await admin(cloud, "GET /upgrades")).body[0].outcome, "ok");
  assert.equal((await admin(cloud, "GET /requests")).body[0].route, "operators.create");
  assert.deepEqual((await admin(cloud, "GET /backend-requests")).body, []);
  await admin(cloud, `POST /operators/${operator.id}/revoke`);
  await admin(cloud, `POST /operators/${operator.id}/delete`);
  const [shown] = (await admin(cloud, "GET /operators")).body;
  assert.deepEqual([shown.id, shown.revoked, shown.deleted], [operator.id, true, true]);
  assert.deepEqual((await admin(cloud, `DELETE /endpoints/${id}`)).body, { removed: true });
  await admin(cloud, "POST /reset");
  assert.deepEqual([cloud.operators(), cloud.requests(), cloud.upgrades()], [[], [], []]);
  assert.equal(cloud.ingressCounts.accepted, 0);
});

Deno.test("the admin API closes and opens the ports", async () => {
  await using cloud = await SimulatedCloud.start();
  const refuses = async (port: number) => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return false;
    } catch {
      return true;
    }
  };
  const apiPort = Number(new URL(cloud.apiUrl).port);
  await admin(cloud, "POST /ingress/close");
  await admin(cloud, "POST /api/close");
  assert.deepEqual([await refuses(cloud.ingressPort), await refuses(apiPort)], [true, true]);
  await admin(cloud, "POST /ingress/open");
  await admin(cloud, "POST /api/open");
  assert.deepEqual([await refuses(cloud.ingressPort), await refuses(apiPort)], [false, false]);
});

Deno.test("the admin API lists its calls and faults, and refuses unknown ones", async () => {
  await using cloud = await SimulatedCloud.start();
  assert.ok((await admin(cloud, "GET /")).body.includes("POST /operators/:id/delete"));
  assert.match((await admin(cloud, "GET /faults/kinds")).body["ingress.stall"], /^accepts TCP/);
  assert.equal((await admin(cloud, "GET /nothing")).status, 404);
  assert.equal((await admin(cloud, "POST /operators/k8sop_none/delete")).status, 400);
  assert.equal((await admin(cloud, "POST /faults", { kind: "ingress.sillent" })).status, 400);
  assert.equal((await admin(cloud, "POST /switches", { frameWait: 1 })).status, 400);
  assert.deepEqual(cloud.faults.list(), []);
  assert.equal((await admin(cloud, "POST /endpoints", { url: "nonsense", backend: "echo" })).status, 400);
  const response = await fetch(`${cloud.adminUrl}/faults`, { method: "POST", body: "{" });
  assert.equal(response.status, 400);
  await response.body?.cancel();
});
