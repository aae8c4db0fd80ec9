import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { readExactly, send, text } from "../fakes/memory_stream.ts";

Deno.test("an invalid configuration keeps the running one; a valid one applies within 5 s (F69, F70)", async () => {
  await using stage = await Stage.open({ pollSeconds: 1 });
  stage.cloud.addEndpoint({ url: "tcp://db.myapp:8281", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  const config = await Deno.readTextFile(stage.configPath);
  // The connection stays open all the time.
  using conn = await Deno.connect({ hostname: row!.ip, port: 8281 });
  async function assertCarries(word: string): Promise<void> {
    await send(conn, word);
    assert.equal(text(await readExactly(conn, word.length)), word);
  }
  await assertCarries("before");

  await Deno.writeTextFile(stage.configPath, `${config}\nbroken: [`);
  await stage.until(
    "the invalid file is rejected",
    async () => (await stage.askStatus()).config.state === "rejected",
    5000,
  );
  assert.match((await stage.askStatus()).config.problems.join(), /line [0-9]+/);
  assert.equal((await stage.askList())[0]!.listen_address, row!.listen_address);
  await assertCarries("meanwhile");
  assert.match(stage.log.join("\n"), /Config validation failed, keeping the old configuration in use/);

  const next = `${stage.configPath}.new`;
  const address = stage.network.address("9.9");
  const moved = config.replace("net:\n", `net:\n  listen_interface: ${address}\n`);
  await Deno.writeTextFile(next, moved, { mode: 0o600 });
  await Deno.rename(next, stage.configPath);
  await stage.until(
    "the endpoint moves",
    async () => (await stage.askList())[0]!.listen_address === `${address}:8281`,
    5000,
  );
  assert.equal((await stage.askStatus()).config.state, "ok");
  assert.match(stage.log.join("\n"), /The configuration is valid again/);
  await assertCarries("after");
});

Deno.test("changed selectors are sent to the cloud, and the endpoints follow", async () => {
  await using stage = await Stage.open({ pollSeconds: 1 });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8282", backend: "http" });
  stage.cloud.addEndpoint({ url: "http://web.other:8283", backend: "http" });
  stage.startDaemon();
  await stage.settled(2);
  await stage.editConfig(
    "poll_interval: 1",
    `poll_interval: 1, selectors: ["endpoint.url.contains('myapp')"]`,
  );
  const [row] = await stage.settled(1);
  assert.equal(row!.hostname, "api.myapp");
});

Deno.test("SIGHUP reloads the configuration instead of ending the daemon (F26)", async () => {
  await using stage = await Stage.open({ pollSeconds: 1 });
  stage.startDaemon();
  await stage.until("it answers", async () => (await stage.askStatus()).api.state === "ok");
  await Deno.writeTextFile(stage.configPath, "server2: 1\n", { append: true });
  Deno.kill(stage.pid, "SIGHUP");
  await stage.until(
    "the warning shows",
    async () => (await stage.askStatus()).config.warnings.some((text) => text.includes("server2")),
    1000,
  );
});
