import assert from "node:assert/strict";
import { FakeMachine } from "../../fakes/fake_machine.ts";
import { connectTo, withDaemon } from "../../fakes/with_daemon.ts";

const WRONG_KEY = `${"2".repeat(27)}_wrongwrongwrongwrong1`;

Deno.test("set-api-key reports that the saved key is not in use because the file has another problem", async () => {
  await using machine = await FakeMachine.create();
  await withDaemon(machine, async () => {
    await machine.editConfig("net:", "net:\n  start_port: 70000");
    const answer = await machine.request("set-api-key", [machine.cloud.addApiKey()]);
    assert.equal(answer.success, false);
    assert.match(answer.error!, /^The key is saved, but not in use: net\.start_port: 70000/);
    assert.match(answer.hint!, /ngrokctl config edit --config \S+\/config\.yml$/);
  });
});

Deno.test("set-api-key keeps a working key while the API cannot verify another one, and says why", async () => {
  await using machine = await FakeMachine.create();
  await withDaemon(machine, async () => {
    const before = await Deno.readTextFile(machine.configPath);
    const other = machine.cloud.addApiKey();
    machine.cloud.faults.set({ kind: "error", status: 500, route: "operators.list", times: 1 });
    const answer = await machine.request("set-api-key", [other]);
    assert.equal(answer.success, false);
    assert.match(answer.error!, /^Cannot verify the API key: .* answered 500/);
    assert.equal(await Deno.readTextFile(machine.configPath), before);
    assert.equal((await machine.askStatus()).api.state, "ok");
    assert.equal((await machine.request("set-api-key", [other])).success, true);
  });
});

Deno.test("set-api-key keeps a working key when a wrong one comes while polls fail", async () => {
  await using machine = await FakeMachine.create();
  await withDaemon(machine, async () => {
    const before = await Deno.readTextFile(machine.configPath);
    machine.cloud.faults.set({ kind: "error", status: 500, times: 1 });
    await machine.until("a failed poll", async () => (await machine.askStatus()).api.state === "failing");
    assert.equal((await machine.request("set-api-key", [WRONG_KEY])).success, false);
    assert.equal(await Deno.readTextFile(machine.configPath), before);
  });
});

Deno.test("set-api-key leaves a whole file without temporary files when 16 requests come at once", async () => {
  await using machine = await FakeMachine.create();
  await withDaemon(machine, async () => {
    const before = await Deno.readTextFile(machine.configPath);
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => machine.request("set-api-key", [machine.cloud.apiKey])),
    );
    assert.deepEqual(answers.map((answer) => answer.error ?? ""), Array(16).fill(""));
    assert.equal(await Deno.readTextFile(machine.configPath), before);
    for await (const { name } of Deno.readDir(machine.etc)) assert.ok(!name.endsWith(".tmp"), name);
  });
});

Deno.test("SIGHUP and set-api-key during the drain restore neither names nor listeners", async () => {
  await using machine = await FakeMachine.create();
  machine.cloud.addEndpoint({ url: "tcp://db.internal:8351", backend: "echo" });
  const running = machine.run();
  const [row] = await machine.active(1);
  const conn = await connectTo(row!);
  await conn.write(new TextEncoder().encode("ping"));
  assert.equal(await conn.read(new Uint8Array(8)), 4);
  machine.signal("SIGTERM");
  await machine.untilLogged("Waiting for running connections");
  await machine.reloadWith("net:", "net:\n  start_port: 9090");
  await machine.request("set-api-key", [machine.cloud.apiKey]);
  await assert.rejects(connectTo(row!), Deno.errors.ConnectionRefused);
  const hosts = await Deno.readTextFile(machine.hostsPath).catch(() => "");
  assert.ok(!hosts.includes("db.internal"), hosts);
  conn.close();
  assert.equal(await running, 0);
});
