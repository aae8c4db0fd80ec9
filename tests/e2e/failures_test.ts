import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { Stage } from "../../sim/stage.ts";
import type { EndpointReport } from "../../src/model/report.ts";
import { get } from "./client.ts";

const HOST = "api.myapp:8181";
const WRONG_KEY = "2".repeat(27) + "_wrongwrongwrongwrong1";

/** A stage with one http endpoint. */
async function open(options: Parameters<typeof Stage.open>[0] = {}): Promise<Stage> {
  const stage = await Stage.open({ pollSeconds: 1, ...options });
  stage.cloud.addEndpoint({ url: `http://${HOST}`, backend: "http" });
  return stage;
}

async function statusOf(row: EndpointReport | undefined): Promise<number> {
  return (await get(row!.listen_address, HOST)).status;
}

Deno.test("a wrong API key is reported once, with the next step, and the right key repairs it", async () => {
  await using stage = await open({ apiKey: WRONG_KEY });
  stage.startDaemon();
  await stage.until("the key is refused", async () => (await stage.askStatus()).api.state === "key_refused");
  const { api, registered } = await stage.status();
  assert.equal(registered, false);
  assert.match(api.hint ?? "", /ngrokctl set-api-key/);
  assert.equal(stage.log.filter((line) => line.includes("Cannot poll the API")).length, 1);

  const printed = await stage.ctl(["set-api-key", "-"], `${stage.cloud.apiKey}\n`);
  assert.equal(printed.code, 0, printed.stderr);
  const [row] = await stage.settled(1);
  assert.equal(await statusOf(row), 200);
  const everything = stage.log.join("\n") + printed.stdout + printed.stderr;
  assert.ok(!everything.includes(stage.cloud.apiKey), "no output holds the key");
});

Deno.test("a key that the API refuses never replaces one that works", async () => {
  await using stage = await open();
  stage.startDaemon();
  await stage.until("it is registered", async () => (await stage.askStatus()).api.state === "ok");
  const before = await Deno.readTextFile(stage.configPath);
  const printed = await stage.ctl(["set-api-key", "-"], WRONG_KEY);
  assert.equal(printed.code, 1);
  assert.equal(await Deno.readTextFile(stage.configPath), before);
  assert.equal((await stage.askStatus()).api.state, "ok");
});

Deno.test("a restart without the API serves the last known endpoints at once", async () => {
  await using stage = await open();
  stage.startDaemon();
  const [before] = await stage.settled(1);
  assert.equal(await stage.stopDaemon(), 0);
  await stage.cloud.closeApi();
  stage.startDaemon();
  const [row] = await stage.settled(1);
  assert.equal(row!.listen_address, before!.listen_address);
  assert.equal(await statusOf(row), 200);
  await stage.until("the failure shows", async () => (await stage.askStatus()).api.state === "unreachable");
  assert.match(await Deno.readTextFile(stage.hostsPath), /api\.myapp/);
});

Deno.test("an ingress that is down gives 502 with the reason, shows in status, and recovers", async () => {
  await using stage = await open();
  stage.startDaemon();
  const [row] = await stage.settled(1);
  await stage.cloud.closeIngress();
  const down = await get(row!.listen_address, HOST);
  assert.equal(down.status, 502);
  assert.match(down.text, /connection refused/);
  const { ingress } = await stage.askStatus();
  assert.equal(ingress.state, "failing");
  assert.match(ingress.hint ?? "", /ingressEndpoint/);
  await stage.cloud.openIngress();
  assert.equal(await statusOf(row), 200);
  assert.equal((await stage.askStatus()).ingress.state, "ok");
});

Deno.test("an ingress with a certificate of another CA is refused, with the next step", async () => {
  await using other = await SimulatedCloud.start();
  await using stage = await open({ ingressCa: other.caPem });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  const refused = await get(row!.listen_address, HOST);
  assert.equal(refused.status, 502);
  assert.match(refused.text, /has the name of the trusted CA with SHA-256 [0-9A-F:]{95}, but another key/);
  const { ingress } = await stage.status();
  assert.equal(ingress.state, "failing");
  assert.match(ingress.hint ?? "", /server\.ingress_ca/);
  assert.equal(stage.cloud.upgrades().length, 0);
});

Deno.test("a tcp endpoint whose port is in use has no name on the LAN until the port is free", async () => {
  await using stage = await Stage.open({
    pollSeconds: 1,
    net: (network) => `listen_interface: ${network.address("0.1")}`,
  });
  stage.cloud.addEndpoint({ url: "tcp://db.myapp:8181", backend: "echo" });
  const address = stage.network.address("0.1");
  const holder = Deno.listen({ hostname: address, port: 8181 });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  assert.deepEqual([row!.state, row!.listen_address], ["degraded", `${address}:9080`]);
  const says = /8181 is in use.*does not resolve; use tcp:\/\/127\.[0-9.]+:9080; .*ss -ltnp/;
  assert.match(row!.reason, says);
  assert.match((await stage.ctl(["status"])).stdout, says);
  assert.match((await stage.ctl(["list"])).stdout, says);
  assert.match((await stage.ctl(["health", "--json"])).stdout, says);
  assert.ok(stage.log.some((line) => line.includes("Port in use, trying next port")));
  holder.close();
  await stage.until("the endpoint has its port", async () => {
    const [row] = await stage.askList();
    return row!.state === "active" && row!.listen_address === `${address}:8181`;
  });
});

Deno.test("an invalid configuration ends the start with all problems, exit code 1 and no trace", async () => {
  await using stage = await Stage.open({
    sections: "net:\n  start_port: 70000\n  subnet: nonsense\nbound_endpoints:\n  poll_interval: -1",
  });
  stage.startDaemon();
  assert.equal(await stage.daemonEnded, 1);
  const text = stage.log.join("\n");
  assert.match(text, /Config validation failed/);
  for (const key of ["net.start_port", "net.subnet", "bound_endpoints.poll_interval"]) {
    assert.ok(text.includes(key), `${key} is named`);
  }
  await assert.rejects(Deno.stat(stage.socketPath));
});

Deno.test("a second daemon ends with the reason and leaves the first alone (F22)", async () => {
  await using stage = await open();
  stage.startDaemon();
  const [row] = await stage.settled(1);
  const { pid } = stage;
  stage.startDaemon();
  assert.notEqual(stage.pid, pid);
  assert.equal(await stage.daemonEnded, 1);
  assert.ok(stage.log.some((line) => line.includes("another ngrokd is running")));
  assert.equal(await statusOf(row), 200);
  Deno.kill(pid, "SIGTERM");
  await stage.until(
    "the first daemon ends",
    async () => !await Deno.stat(stage.socketPath).then(() => true, () => false),
  );
});
