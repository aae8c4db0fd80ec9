import assert from "node:assert/strict";
import { runDaemon } from "../../../src/daemon/run.ts";
import type { StatusReport } from "../../../src/model/report.ts";
import { type FakeMachine, fakeMachine } from "../fake_machine.ts";

const WRONG_KEY = `${"2".repeat(27)}_wrongwrongwrongwrong1`;

async function status(machine: FakeMachine): Promise<StatusReport> {
  return (await machine.ask("status")).data as StatusReport;
}

/** Runs a daemon around `body` and ends it with SIGTERM. */
async function withDaemon(machine: FakeMachine, body: () => Promise<void>): Promise<void> {
  const running = runDaemon(["--config", machine.configPath], machine.system);
  try {
    await machine.until("the API is well", async () => (await status(machine)).api.state === "ok");
    await body();
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0, machine.out.join("") + machine.err.join(""));
  }
}

Deno.test("set-api-key says so when the rest of the file keeps the new key out of use", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.120.0.0/16}");
  await withDaemon(machine, async () => {
    const text = await Deno.readTextFile(machine.configPath);
    await Deno.writeTextFile(machine.configPath, text.replace("net: {", "net: {start_port: 70000, "));
    const answer = await machine.ask("set-api-key", [machine.cloud.addApiKey()]);
    assert.equal(answer.success, false);
    assert.match(answer.error!, /^The key is saved, but not in use: net\.start_port: 70000/);
    assert.match(answer.hint!, /ngrokctl config edit$/);
  });
});

Deno.test("a good key does not replace one that works while the API cannot say so, and the reason is told", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.122.0.0/16}");
  await withDaemon(machine, async () => {
    const before = await Deno.readTextFile(machine.configPath);
    const other = machine.cloud.addApiKey();
    machine.cloud.faults.set({ kind: "error", status: 500, route: "operators.list", times: 1 });
    const answer = await machine.ask("set-api-key", [other]);
    assert.equal(answer.success, false);
    assert.match(answer.error!, /^Cannot verify the API key: .* answered 500/);
    assert.equal(await Deno.readTextFile(machine.configPath), before);
    assert.equal((await status(machine)).api.state, "ok");
    assert.equal((await machine.ask("set-api-key", [other])).success, true);
  });
});

Deno.test("a wrong key does not replace one that works while the API fails otherwise", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.121.0.0/16}");
  await withDaemon(machine, async () => {
    const before = await Deno.readTextFile(machine.configPath);
    machine.cloud.faults.set({ kind: "error", status: 500, times: 1 });
    await machine.until("a poll failed", async () => (await status(machine)).api.state === "failing");
    const answer = await machine.ask("set-api-key", [WRONG_KEY]);
    assert.equal(answer.success, false);
    assert.equal(await Deno.readTextFile(machine.configPath), before);
  });
});

Deno.test("set-api-key from many at once leaves a whole file with one of the keys, and nothing beside it", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.122.0.0/16}");
  await withDaemon(machine, async () => {
    const before = await Deno.readTextFile(machine.configPath);
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => machine.ask("set-api-key", [machine.cloud.apiKey])),
    );
    assert.deepEqual(answers.map((answer) => answer.error ?? ""), Array(16).fill(""));
    assert.equal(await Deno.readTextFile(machine.configPath), before);
    for await (const { name } of Deno.readDir(machine.directory)) assert.ok(!name.endsWith(".tmp"), name);
  });
});

Deno.test("SIGHUP and set-api-key during the drain bring back neither names nor listeners", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.123.0.0/16}");
  machine.cloud.addEndpoint({ url: "tcp://db.internal:8351", backend: "echo" });
  const running = runDaemon(["--config", machine.configPath], machine.system);
  await machine.until("it is active", async () => (await status(machine)).active_count === 1);
  const [row] = (await machine.ask("list")).data as { ip: string }[];
  const conn = await Deno.connect({ hostname: row!.ip, port: 8351 });
  await conn.write(new TextEncoder().encode("ping"));
  assert.equal(await conn.read(new Uint8Array(8)), 4);
  machine.signal("SIGTERM");
  await machine.until(
    "it waits",
    () => machine.out.some((line) => line.includes("Waiting for running connections")),
  );
  const text = await Deno.readTextFile(machine.configPath);
  await Deno.writeTextFile(machine.configPath, text.replace("net: {", "net: {start_port: 9090, "));
  machine.signal("SIGHUP");
  await machine.ask("set-api-key", [machine.cloud.apiKey]);
  await assert.rejects(Deno.connect({ hostname: row!.ip, port: 8351 }), Deno.errors.ConnectionRefused);
  const hosts = await Deno.readTextFile(`${machine.directory}/hosts`).catch(() => "");
  assert.ok(!hosts.includes("db.internal"), hosts);
  conn.close();
  assert.equal(await running, 0);
});
