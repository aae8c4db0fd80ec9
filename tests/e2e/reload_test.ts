import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { readExactly, send } from "../fakes/memory_stream.ts";

const NET = "net:\n  subnet: 127.110.0.0/16\nbound_endpoints:\n  poll_interval: 1";

Deno.test("a configuration that becomes invalid keeps the running one and every connection, and is said; a good one that replaces it is taken up within 5 s (F69, F70)", async () => {
  await using stage = await Stage.open({ sections: NET });
  stage.cloud.addEndpoint({ url: "tcp://db.myapp:8281", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  assert.match(row!.ip, /^127\.110\./);
  const text = await Deno.readTextFile(stage.configPath);
  using conn = await Deno.connect({ hostname: row!.ip, port: 8281 });
  async function isCarried(word: string): Promise<void> {
    await send(conn, word);
    assert.equal(new TextDecoder().decode(await readExactly(conn, word.length)), word);
  }

  await isCarried("before");

  await Deno.writeTextFile(stage.configPath, `${text}\nbroken: [`);
  await stage.until(
    "the broken file is refused",
    async () => (await stage.askStatus()).config.state === "rejected",
    5000,
  );
  assert.match((await stage.askStatus()).config.problems.join(), /line [0-9]+/);
  assert.equal((await stage.askList())[0]!.listen_address, row!.listen_address);
  await isCarried("while it is broken");

  const next = `${stage.configPath}.new`;
  await Deno.writeTextFile(next, text.replace("net:\n", "net:\n  listen_interface: 127.0.0.1\n"));
  await Deno.rename(next, stage.configPath);
  await stage.until(
    "the endpoint moves",
    async () => (await stage.askList())[0]!.listen_address === "127.0.0.1:8281",
    5000,
  );
  assert.equal((await stage.askStatus()).config.state, "ok");
  await isCarried("after");
});

Deno.test("selectors that change are sent to the cloud, and the endpoints follow", async () => {
  await using stage = await Stage.open({ sections: NET });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8282", backend: "http" });
  stage.cloud.addEndpoint({ url: "http://web.other:8283", backend: "http" });
  stage.startDaemon();
  await stage.settled(2);
  const text = await Deno.readTextFile(stage.configPath);
  await Deno.writeTextFile(
    stage.configPath,
    text.replace("poll_interval: 1", `poll_interval: 1\n  selectors: ["endpoint.url.contains('myapp')"]`),
  );
  const [row] = await stage.settled(1);
  assert.equal(row!.hostname, "api.myapp");
});

Deno.test("SIGHUP reloads instead of ending the daemon (F26)", async () => {
  await using stage = await Stage.open({ sections: NET });
  stage.startDaemon();
  await stage.until("it answers", async () => (await stage.askStatus()).api.state === "ok");
  const text = await Deno.readTextFile(stage.configPath);
  await Deno.writeTextFile(stage.configPath, `${text}server2: 1\n`);
  Deno.kill(stage.pid, "SIGHUP");
  await stage.until(
    "the warning shows",
    async () => (await stage.askStatus()).config.warnings.some((w) => w.includes("server2")),
    1000,
  );
});

Deno.test("refresh-cert --force brings a new certificate and key, and connections use it", async () => {
  await using stage = await Stage.open({ sections: NET });
  stage.cloud.addEndpoint({ url: "tcp://db.internal:8284", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  assert.equal(row!.state, "active", row!.reason);
  const before = (await stage.status()).certificate!;
  const soft = await stage.ctl(["refresh-cert"]);
  assert.equal(soft.code, 0);
  assert.match(soft.stdout, /not due until/);
  const forced = await stage.ctl(["refresh-cert", "--force"]);
  assert.equal(forced.code, 0, forced.stderr);
  const after = (await stage.status()).certificate!;
  assert.notEqual(after.serial, before.serial);
  const [now] = await stage.list();
  assert.equal(now!.listen_address, row!.listen_address, stage.log.join("\n"));
  const [hostname, port] = row!.listen_address.split(":");
  const conn = await Deno.connect({ hostname: hostname!, port: Number(port) });
  await conn.write(new TextEncoder().encode("ping"));
  await conn.closeWrite();
  assert.equal(await new Response(conn.readable).text(), "ping");
});
