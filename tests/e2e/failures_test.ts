import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";

const NET = "net:\n  subnet: 127.109.0.0/16\nbound_endpoints:\n  poll_interval: 1";

async function get(address: string, host: string): Promise<{ status: number; text: string }> {
  const [hostname, port] = address.split(":");
  const conn = await Deno.connect({ hostname: hostname!, port: Number(port) });
  await conn.write(new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
  const text = await new Response(conn.readable).text();
  return { status: Number(/^HTTP\/1\.1 ([0-9]+)/.exec(text)?.[1] ?? 0), text };
}

Deno.test("a wrong API key is said once in the log and in status, with the next step, and the right key mends it", async () => {
  await using stage = await Stage.open({ apiKey: "2".repeat(27) + "_wrongwrongwrongwrong1", sections: NET });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8181", backend: "http" });
  stage.startDaemon();
  await stage.until("the key is refused", async () => (await stage.askStatus()).api.state === "key_refused");
  const { api, registered } = await stage.status();
  assert.equal(registered, false);
  assert.match(api.hint ?? "", /ngrokctl set-api-key/);
  assert.equal(stage.log.filter((line) => line.includes("Cannot poll the API")).length, 1);

  const printed = await stage.ctl(["set-api-key", "-"], `${stage.cloud.apiKey}\n`);
  assert.equal(printed.code, 0, printed.stderr);
  const [row] = await stage.settled(1);
  assert.equal((await get(row!.listen_address, "api.myapp:8181")).status, 200);
  const everything = stage.log.join("\n") + printed.stdout + printed.stderr;
  assert.ok(!everything.includes(stage.cloud.apiKey), "the key is in no output");
});

Deno.test("a key that the API refuses never replaces one that works", async () => {
  await using stage = await Stage.open({ sections: NET });
  stage.startDaemon();
  await stage.until("registered", async () => (await stage.askStatus()).api.state === "ok");
  const before = await Deno.readTextFile(stage.configPath);
  const printed = await stage.ctl(["set-api-key", "-"], `${"2".repeat(27)}_wrongwrongwrongwrong1`);
  assert.equal(printed.code, 1);
  assert.equal(await Deno.readTextFile(stage.configPath), before);
  assert.equal((await stage.askStatus()).api.state, "ok");
});

Deno.test("with the API down the last known endpoints are served at once after a restart, and nothing is lost", async () => {
  await using stage = await Stage.open({ sections: NET });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8182", backend: "http" });
  stage.startDaemon();
  const [before] = await stage.settled(1);
  assert.equal(await stage.stopDaemon(), 0);
  await stage.cloud.closeApi();
  stage.startDaemon();
  const [row] = await stage.settled(1);
  assert.equal(row!.listen_address, before!.listen_address);
  assert.equal((await get(row!.listen_address, "api.myapp:8182")).status, 200);
  await stage.until("the failure shows", async () => (await stage.askStatus()).api.state === "unreachable");
  assert.match(await Deno.readTextFile(stage.hostsPath), /api\.myapp/);
});

Deno.test("an ingress that is down gives 502 with the reason, shows in status, and works again when it is back", async () => {
  await using stage = await Stage.open({ sections: NET });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8183", backend: "http" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  await stage.cloud.closeIngress();
  const down = await get(row!.listen_address, "api.myapp:8183");
  assert.equal(down.status, 502);
  assert.match(down.text, /connection refused/);
  const { ingress } = await stage.askStatus();
  assert.equal(ingress.state, "failing");
  assert.match(ingress.hint ?? "", /ingressEndpoint/);
  await stage.cloud.openIngress();
  assert.equal((await get(row!.listen_address, "api.myapp:8183")).status, 200);
  assert.equal((await stage.askStatus()).ingress.state, "ok");
});

Deno.test("an ingress with a certificate of another CA is refused, and the message says what to do", async () => {
  await using other = await SimulatedCloud.start({ seed: 77 });
  await using stage = await Stage.open({ sections: NET, ingressCa: other.caPem });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8184", backend: "http" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  const refused = await get(row!.listen_address, "api.myapp:8184");
  assert.equal(refused.status, 502);
  assert.match(refused.text, /has the name of the trusted CA with SHA-256 [0-9A-F:]{95}, but another key/);
  const { ingress } = await stage.status();
  assert.equal(ingress.state, "failing");
  assert.match(ingress.hint ?? "", /server\.ingress_ca/);
  assert.equal(stage.cloud.upgrades().length, 0);
});

Deno.test("a port that is taken moves the endpoint to the next port, is said, and is given back", async () => {
  await using stage = await Stage.open({ sections: `${NET}\n` });
  const holder = Deno.listen({ hostname: "0.0.0.0", port: 8185 });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8185", backend: "http" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  assert.match(row!.listen_address, /:9080$/);
  assert.match(row!.reason, /8185 is in use/);
  assert.ok(stage.log.some((line) => line.includes("Port in use, trying next port")));
  assert.equal((await get(row!.listen_address, "api.myapp:8185")).status, 200);
  holder.close();
  await stage.until(
    "the port is given back",
    async () => (await stage.askList())[0]!.listen_address.endsWith(":8185"),
  );
});

Deno.test("a configuration that is garbage ends the start with all problems at once, exit code 1, and no trace", async () => {
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

Deno.test("a second daemon ends with a clear message and leaves the first alone (F22)", async () => {
  await using stage = await Stage.open({ sections: NET });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8186", backend: "http" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  const pid = stage.pid;
  stage.startDaemon();
  assert.notEqual(stage.pid, pid);
  assert.equal(await stage.daemonEnded, 1);
  assert.ok(stage.log.some((line) => line.includes("another ngrokd is running")));
  assert.equal((await get(row!.listen_address, "api.myapp:8186")).status, 200);
  Deno.kill(pid, "SIGTERM");
  await stage.until(
    "the first ends",
    async () => !await Deno.stat(stage.socketPath).then(() => true, () => false),
  );
});
