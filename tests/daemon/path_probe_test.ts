import assert from "node:assert/strict";
import { freePort } from "../../sim/daemon_harness.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

// Everything was ✓ while the ingress was unreachable, until somebody's connection failed.
Deno.test("The daemon probes the ingress after registration and after a change of it (R109, R110)", async () => {
  await using machine = await FakeMachine.create({
    probeSeconds: 300,
    system: { probeOptions: { checkMs: 10, retryMs: 100 } },
  });
  machine.cloud.addEndpoint({ url: "http://a.internal:8352", backend: "http" });
  machine.cloud.addEndpoint({ url: "tcp://db.internal:8351", backend: "echo" });
  await withDaemon(machine, async () => {
    await machine.active(2);
    await machine.until("a probe", async () => (await machine.askStatus()).ingress.state === "ok");
    const { ingressHost, ingressPort } = machine.cloud;
    const port = freePort();
    await machine.reloadWith(`${ingressHost}:${ingressPort}`, `${ingressHost}:${port}`);
    await machine.until(
      "a failed probe",
      async () => (await machine.askStatus()).ingress.state === "failing",
    );
    const { ingress, verdict, summary, reasons } = await machine.askStatus();
    assert.equal(ingress.step, "connect");
    assert.match(`${verdict} ${summary}`, /^(degraded|down) (degraded|down): the ingress is unreachable/);
    assert.match(reasons.join(), new RegExp(`Ingress: .*:${port}: connection refused`));

    // The third failure makes it a fact.
    const hasFailed = async () => (await machine.askList()).every(({ state }) => state === "failing");
    await machine.until("all endpoints are failing", hasFailed);
    assert.match(
      (await machine.askStatus()).summary,
      /^down: the ingress is unreachable; 2 endpoints failing$/,
    );
    for (const { reason } of await machine.askList()) assert.match(reason, /connection refused/);

    await machine.reloadWith(`${ingressHost}:${port}`, `${ingressHost}:${ingressPort}`);
    await machine.until("an answer", async () => (await machine.askStatus()).summary === "ok");
    for (const row of await machine.askList()) {
      assert.deepEqual([row.state, row.total_connections], ["active", 0], "a probe is no traffic");
    }
  });
  assert.deepEqual(machine.cloud.backendRequests(), []);
});
