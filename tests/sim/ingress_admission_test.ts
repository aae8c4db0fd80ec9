import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { dial, ECHO, makeCsr, readToEnd, register, upgrade, withEcho } from "./raw_client.ts";

/** Returns true if the ingress refuses a certificate, in any way. */
async function isRefused(
  cloud: SimulatedCloud,
  operator: { cert: string; key: string } | null,
): Promise<boolean> {
  const before = cloud.ingressCounts.refusedCertificates;
  const conn = await dial(cloud, operator);
  try {
    // In TLS 1.3 a refusal shows when the client reads.
    assert.equal((await readToEnd(conn)).length, 0);
  } catch { /* A reset, or an end without close_notify, is a refusal, too. */ }
  conn.close();
  return cloud.ingressCounts.refusedCertificates === before + 1;
}

Deno.test("a missing, foreign, revoked, deleted or expired certificate is refused in every way", async () => {
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
      await using stream = await upgrade(cloud, expired, ECHO);
      assert.equal(stream.response.errorCode, "ERR_NGROK_3200", "it is accepted until it expires");
    }
    now += 1;
    assert.ok(await isRefused(cloud, expired), refusal);
  }));
});

Deno.test("a client that closes during the handshake leaves nothing behind", () =>
  withEcho(async (cloud, operator) => {
    const { key } = await makeCsr();
    await assert.rejects(async () => await isRefused(cloud, { cert: operator.cert, key }));
    await cloud.ingressIdle();
    assert.equal(cloud.upgrades().length, 0);
  }));

Deno.test("an old certificate works after a renewal, and after a deletion if the switch says so", () =>
  withEcho(async (cloud, operator) => {
    const { csr } = await makeCsr();
    await operator.call("PATCH", { binding: { csr } });
    cloud.switches.revokeOnDelete = false;
    cloud.deleteOperator(operator.id);
    await using stream = await upgrade(cloud, operator, ECHO);
    assert.equal(stream.response.errorCode, "");
  }));

Deno.test("a revocation keeps established streams, or resets them if the switch says so", () =>
  withEcho(async (cloud, operator) => {
    await using stream = await upgrade(cloud, operator, ECHO);
    cloud.revokeOperator(operator.id);
    const buffer = new Uint8Array(10);
    await stream.write("still");
    assert.equal(await stream.conn.read(buffer), 5);
    cloud.switches.cutStreamsOnRevoke = true;
    await operator.call("DELETE");
    await assert.rejects(stream.conn.read(buffer));
  }));

Deno.test("a client that sends no request is closed after frameWaitMs, or never", () =>
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

Deno.test("the ingress can close and open its port, with or without a reset of its streams", () =>
  withEcho(async (cloud, operator) => {
    const port = cloud.ingressPort;
    await using stream = await upgrade(cloud, operator, ECHO);
    await cloud.closeIngress();
    await assert.rejects(dial(cloud, operator), Deno.errors.ConnectionRefused);
    await stream.write("still");
    assert.equal(await stream.conn.read(new Uint8Array(10)), 5);
    await cloud.openIngress();
    assert.equal(cloud.ingressPort, port);
    await using second = await upgrade(cloud, operator, ECHO);
    await cloud.closeIngress({ cutStreams: true });
    await assert.rejects(stream.conn.read(new Uint8Array(10)));
    await assert.rejects(second.conn.read(new Uint8Array(10)));
  }));
