import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { dial, makeCsr, readToEnd, register, upgrade } from "./raw_client.ts";

const PLACE = { host: "echo.myapp", port: 7000 };

/** A cloud with one echo endpoint and one operator. */
async function withEcho(
  test: (
    cloud: SimulatedCloud,
    operator: Awaited<ReturnType<typeof register>>,
    endpointId: string,
  ) => Promise<void>,
  options: Parameters<typeof SimulatedCloud.start>[0] = {},
): Promise<void> {
  await using cloud = await SimulatedCloud.start(options);
  const { id } = cloud.addEndpoint({ url: "tcp://echo.myapp:7000", backend: "echo" });
  await test(cloud, await register(cloud), id);
}

/** Whether the ingress refuses a certificate, however it does so. */
async function isRefused(
  cloud: SimulatedCloud,
  operator: { cert: string; key: string } | null,
): Promise<boolean> {
  const before = cloud.ingressCounts.refusedCertificates;
  const conn = await dial(cloud, operator);
  try {
    // In TLS 1.3 the refusal shows when the client reads.
    assert.equal((await readToEnd(conn)).length, 0);
  } catch { /* A reset or an end without close_notify refuses as well. */ }
  conn.close();
  return cloud.ingressCounts.refusedCertificates === before + 1;
}

Deno.test("no certificate, a foreign one, a revoked, a deleted and an expired one are refused, whatever a refusal looks like", async () => {
  await Promise.all((["close_notify", "eof", "reset"] as const).map(async (refusal) => {
    let now = Date.now();
    await using cloud = await SimulatedCloud.start({ switches: { refusal }, now: () => now });
    await using foreign = await SimulatedCloud.start({ seed: 2 });
    const [revoked, deleted, expired] = [await register(cloud), await register(cloud), await register(cloud)];
    cloud.revokeOperator(revoked.id);
    cloud.deleteOperator(deleted.id);
    for (const operator of [null, await register(foreign), revoked, deleted]) {
      assert.ok(await isRefused(cloud, operator), refusal);
    }
    now = Date.parse(expired.notAfter) - 1;
    {
      await using stream = await upgrade(cloud, expired, PLACE);
      assert.equal(stream.response.errorCode, "ERR_NGROK_3200", "it is accepted up to its last moment");
    }
    now += 1;
    assert.ok(await isRefused(cloud, expired), refusal);
  }));
});

Deno.test("a client that gives up during the handshake leaves nothing behind", () =>
  withEcho(async (cloud, operator) => {
    const { key } = await makeCsr();
    await assert.rejects(async () => await isRefused(cloud, { cert: operator.cert, key }));
    await cloud.ingressIdle();
    assert.equal(cloud.upgrades().length, 0);
  }));

Deno.test("a deleted operator's certificate works on if the switch says so, and the old one works after a renewal", () =>
  withEcho(async (cloud, operator) => {
    const { csr } = await makeCsr();
    await operator.call("PATCH", `/kubernetes_operators/${operator.id}`, { binding: { csr } });
    cloud.switches.revokeOnDelete = false;
    cloud.deleteOperator(operator.id);
    await using stream = await upgrade(cloud, operator, PLACE);
    assert.equal(stream.response.errorCode, "");
  }));

Deno.test("revocation leaves established streams alone, or cuts them if the switch says so", () =>
  withEcho(async (cloud, operator) => {
    await using stream = await upgrade(cloud, operator, PLACE);
    cloud.revokeOperator(operator.id);
    const buffer = new Uint8Array(10);
    await stream.write("still");
    assert.equal(await stream.conn.read(buffer), 5);
    cloud.switches.cutStreamsOnRevoke = true;
    await operator.call("DELETE", `/kubernetes_operators/${operator.id}`);
    await assert.rejects(stream.conn.read(buffer));
  }));

Deno.test("a client that sends no request is let go after frameWaitMs, or never", () =>
  withEcho(async (cloud, operator) => {
    cloud.switches.frameWaitMs = 20;
    const hasty = await dial(cloud, operator);
    assert.equal((await readToEnd(hasty)).length, 0);
    hasty.close();
    assert.equal(cloud.ingressCounts.frameTimeouts, 1);
    cloud.switches.frameWaitMs = null;
    const patient = await dial(cloud, operator);
    await patient.closeWrite();
    assert.equal((await readToEnd(patient)).length, 0);
    patient.close();
    await cloud.ingressIdle();
    assert.deepEqual([cloud.ingressCounts.unused, cloud.ingressCounts.frameTimeouts], [1, 1]);
    assert.equal(cloud.upgrades().length, 0);
  }));

Deno.test("the ingress can refuse connections and come back on its port, cutting streams or not", () =>
  withEcho(async (cloud, operator) => {
    const port = cloud.ingressPort;
    await using stream = await upgrade(cloud, operator, PLACE);
    await cloud.closeIngress();
    await assert.rejects(dial(cloud, operator), Deno.errors.ConnectionRefused);
    await stream.write("still");
    assert.equal(await stream.conn.read(new Uint8Array(10)), 5);
    await cloud.openIngress();
    assert.equal(cloud.ingressPort, port);
    await using second = await upgrade(cloud, operator, PLACE);
    await cloud.closeIngress({ cutStreams: true });
    await assert.rejects(stream.conn.read(new Uint8Array(10)));
    await assert.rejects(second.conn.read(new Uint8Array(10)));
  }));
