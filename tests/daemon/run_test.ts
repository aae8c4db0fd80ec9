import assert from "node:assert/strict";
import { renderBlock } from "../../src/names/hosts/hosts_block.ts";
import type { HealthReport } from "../../src/model/report.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { connectTo, statusLine, withDaemon } from "../fakes/with_daemon.ts";

const USER = "127.0.0.1 localhost\n";
const DRAINING = "Waiting for running connections";

Deno.test("runDaemon() serves every kind of endpoint, and leaves neither names nor socket behind", async () => {
  // An ordinary user cannot bind port 53, which would be a reason in the health report.
  await using machine = await FakeMachine.create({ dns: 'listen: ":8053"' });
  await Deno.writeTextFile(machine.hostsPath, USER);
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  cloud.addEndpoint({ url: "tcp://db.internal:8302", backend: "echo" });
  cloud.addEndpoint({ url: "http://*.apps.example.com:8303", backend: "http" });
  await withDaemon(machine, async () => {
    const rows = await machine.settled(3);
    assert.deepEqual(rows.map((row) => row.state), ["active", "active", "active"]);
    assert.equal(new Set(rows.map((row) => row.ip)).size, 3, "one address per host name");
    const api = rows.find((row) => row.hostname === "api.myapp")!;
    assert.match(await statusLine(api), / 200 /);
    const wildcard = rows.find((row) => row.wildcard)!;
    assert.match(await statusLine({ ...wildcard, hostname: "a.b.apps.example.com" }), / 200 /);
    const hosts = await Deno.readTextFile(machine.hostsPath);
    assert.ok(hosts.includes(`${api.ip}\tapi.myapp\n`));
    assert.ok(!hosts.includes("apps.example.com"));
    await machine.until(
      "the connection is counted",
      async () => (await machine.askList()).find((row) => row.id === api.id)!.total_connections === 1,
    );

    const report = await machine.askStatus();
    assert.equal(report.registered, true);
    assert.equal(report.operator_id, cloud.operators()[0]!.id);
    assert.equal(report.endpoint_count, 3);
    assert.equal(report.certificate!.days_left, 89);
    assert.equal(report.ingress.state, "ok");
    assert.deepEqual(report.api.key, { set: true, source: "config" });
    const { healthy, ready, has_endpoints, reasons } = await machine.ask("health") as HealthReport;
    assert.deepEqual([healthy, ready, has_endpoints, reasons], [true, true, true, []]);
    assert.equal((await fetch(`http://${report.health.address}/healthz`)).status, 200);
  });
  assert.equal(await Deno.readTextFile(machine.hostsPath), USER);
  await assert.rejects(Deno.stat(machine.socketPath), Deno.errors.NotFound);
});

// SIGUSR1 opened the inspector of a clean-up, which root starts by hand.
Deno.test("runDaemon() keeps the inspector closed from before it reads the file, whatever it runs", async () => {
  for (const action of ["run", "cleanup", "deregister"]) {
    const seen: string[] = [];
    await using machine = await FakeMachine.create();
    const { files } = machine.system;
    machine.override({
      keepInspectorClosed() {
        seen.push("closed");
        return { [Symbol.dispose]: () => void seen.push("released") };
      },
      files: {
        ...files,
        readGuarded() {
          seen.push("read");
          return Promise.resolve("server: [");
        },
      },
    });
    await machine.run(action);
    assert.deepEqual([...new Set(seen)], ["closed", "read", "released"], action);
  }
});

Deno.test("runDaemon() removes an endpoint's name and listener, and reuses its address later", async () => {
  await using machine = await FakeMachine.create();
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://first.myapp:8311", backend: "http" });
  const { id } = cloud.addEndpoint({ url: "http://api.myapp:8312", backend: "http" });
  await withDaemon(machine, async () => {
    const before = (await machine.settled(2)).find((row) => row.id === id)!;
    cloud.removeEndpoint(id);
    await machine.settled(1);
    assert.ok(!(await Deno.readTextFile(machine.hostsPath)).includes("api.myapp"));
    await assert.rejects(connectTo(before), Deno.errors.ConnectionRefused);
    cloud.addEndpoint({ url: "http://api.myapp:8312", backend: "http" });
    const rows = await machine.settled(2);
    assert.equal(rows.find((row) => row.hostname === "api.myapp")!.ip, before.ip);
  });
});

Deno.test("runDaemon() registers again after its operator is deleted, and keeps its listeners (F42)", async () => {
  await using machine = await FakeMachine.create();
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8321", backend: "http" });
  await withDaemon(machine, async () => {
    const [row] = await machine.settled(1);
    const { operator_id: old } = await machine.askStatus();
    cloud.deleteOperator(old!);
    await machine.until("a new operator", async () => {
      const { operator_id: id, api } = await machine.askStatus();
      return id !== undefined && id !== old && api.state === "ok";
    });
    assert.equal((await machine.askList())[0]!.listen_address, row!.listen_address);
    assert.match(await statusLine(row!), / 200 /);
  });
});

Deno.test("runDaemon() waits for a key; set-api-key registers at once and keeps the rest of the file", async () => {
  await using machine = await FakeMachine.create({ sections: "# a comment" });
  const { cloud } = machine;
  const text = await Deno.readTextFile(machine.configPath);
  await machine.editConfig(cloud.apiKey, "");
  await withDaemon(machine, async () => {
    assert.equal((await machine.askStatus()).api.state, "no_key");
    assert.equal(
      (await machine.request("refresh-cert")).error,
      "daemon not registered - set API key first",
    );
    assert.equal((await machine.request("set-api-key")).error, "API key required");
    assert.equal((await machine.request("set-api-key", ["two words"])).success, false);
    const answer = await machine.request("set-api-key", [cloud.apiKey]);
    assert.deepEqual(answer, { success: true, data: "API key set successfully" });
    assert.equal((await machine.askStatus()).registered, true);
    assert.equal(await Deno.readTextFile(machine.configPath), text);
    assert.equal((await Deno.stat(machine.configPath)).mode! & 0o777, 0o600);
  }, { ready: "answered" });
  assert.ok(!machine.logText.includes(cloud.apiKey));
});

for (const source of ["environment", "file"] as const) {
  Deno.test(`runDaemon() takes the key from the ${source} if the configuration has none, and reports it`, async () => {
    await using machine = await FakeMachine.create({ apiKey: "" });
    const { environment, directory, cloud } = machine;
    if (source === "environment") environment.NGROK_API_KEY = cloud.apiKey;
    else {
      await Deno.writeTextFile(`${directory}/key`, `${cloud.apiKey}\n`, { mode: 0o600 });
      environment.NGROK_API_KEY_FILE = `${directory}/key`;
    }
    await withDaemon(machine, async () => {
      const { registered, api } = await machine.askStatus();
      assert.deepEqual([registered, api.key], [true, { set: true, source }]);
    });
  });
}

Deno.test("runDaemon() exits with 1 and shows every problem of an invalid configuration", async () => {
  await using machine = await FakeMachine.create({
    subnet: "nonsense",
    net: "start_port: 0x",
    sections: "unknown: 1",
  });
  assert.equal(await machine.run(), 1);
  assert.match(machine.err.join(""), /^Error: Config validation failed/);
  assert.match(machine.err.join(""), /net\.start_port/);
  assert.match(machine.err.join(""), /net\.subnet/);
});

Deno.test("runDaemon() exits with 1 and a hint when the configuration file is missing", async () => {
  await using machine = await FakeMachine.create();
  await Deno.remove(machine.configPath);
  assert.equal(await machine.run(), 1);
  assert.match(machine.err.join(""), /config\.yml: it does not exist\n.*--config/s);
});

Deno.test("runDaemon() prints the version with exit code 0, and a usage error with 2", async () => {
  await using machine = await FakeMachine.create();
  assert.equal(await machine.run("--version"), 0);
  assert.match(machine.logText, /^ngrokd version [0-9.]+\n$/);
  assert.equal(await machine.run("nonsense"), 2);
  assert.match(machine.err.join(""), /nonsense/);
});

Deno.test("runDaemon() logs an unhandled rejection and keeps running (F23)", async () => {
  await using machine = await FakeMachine.create();
  await withDaemon(machine, async () => {
    Promise.reject(new Error("a planted error"));
    await machine.untilLogged("Unhandled error; ngrokd keeps running: a planted error");
    assert.equal((await machine.askStatus()).registered, true);
  });
});

for (const forced of [false, true]) {
  const outcome = forced ? "cuts it at the second signal" : "lets it end";
  Deno.test(`runDaemon() drains a running connection after SIGTERM, and ${outcome}`, async () => {
    await using machine = await FakeMachine.create();
    machine.cloud.addEndpoint({ url: "tcp://db.internal:8341", backend: "echo" });
    const running = machine.run();
    const [row] = await machine.settled(1);
    const conn = await connectTo(row!);
    const buffer = new Uint8Array(8);
    await conn.write(new TextEncoder().encode("ping"));
    assert.equal(await conn.read(buffer), 4);
    machine.signal("SIGTERM");
    await machine.untilLogged(DRAINING);
    await assert.rejects(connectTo(row!), Deno.errors.ConnectionRefused);
    if (forced) machine.signal("SIGINT");
    else {
      await conn.write(new TextEncoder().encode("pong"));
      assert.equal(await conn.read(buffer), 4, "the connection still works");
      conn.close();
    }
    assert.equal(await running, 0);
    const state = `drained=${!forced} clean=true`;
    assert.ok(machine.logText.includes(`ngrokd has stopped ${state}`), machine.logText);
    if (forced) conn.close();
  });
}

// 0 meant the default.
Deno.test("runDaemon() with server.drain_seconds: 0 cuts a running connection at once", async () => {
  await using machine = await FakeMachine.create({ server: "drain_seconds: 0" });
  machine.cloud.addEndpoint({ url: "tcp://db.internal:8343", backend: "echo" });
  const running = machine.run();
  const [row] = await machine.settled(1);
  using conn = await connectTo(row!);
  await conn.write(new TextEncoder().encode("ping"));
  assert.equal(await conn.read(new Uint8Array(8)), 4);
  const startedAt = performance.now();
  machine.signal("SIGTERM");
  assert.equal(await running, 0);
  assert.ok(performance.now() - startedAt < 3000);
  assert.match(machine.logText, /Ended connections that were still busy count=1/);
  assert.ok(!machine.logText.includes(DRAINING));
});

Deno.test("runDaemon() that cannot undo a change names ngrokd cleanup and exits with 1", async () => {
  await using machine = await FakeMachine.create();
  const { hostsPath } = machine;
  machine.cloud.addEndpoint({ url: "tcp://db.internal:8342", backend: "echo" });
  const running = machine.run();
  await machine.active(1);
  await Deno.remove(hostsPath);
  await Deno.mkdir(hostsPath);
  machine.signal("SIGTERM");
  assert.equal(await running, 1);
  assert.match(machine.logText, /could not be undone hint="Run: ngrokd cleanup --config /);
  assert.match(machine.logText, /ngrokd has stopped drained=true clean=false/);
});

// The health report once named it among its problems.
Deno.test("runDaemon() shows in status alone that a poll waits for the request budget", async () => {
  await using machine = await FakeMachine.create();
  await withDaemon(machine, async () => {
    await machine.until("a wait for the budget", async () => {
      await machine.request("set-api-key", [machine.cloud.apiKey]);
      return /waits [0-9]+ s for the request budget/.test((await machine.askStatus()).api.notice ?? "");
    });
    assert.deepEqual((await machine.ask("health") as HealthReport).reasons, []);
  });
});

// The exit code was 1.
Deno.test("runDaemon() exits with 0 after two signals when no connection is open (F27)", async () => {
  await using machine = await FakeMachine.create();
  await withDaemon(machine, () => machine.signal("SIGTERM"));
});

Deno.test("runDaemon() warns that listeners in network mode open private endpoints to the network", async () => {
  await using machine = await FakeMachine.create({
    net: 'listen_interface: 0.0.0.0\noverrides: {"a.myapp": 127.0.0.1}',
  });
  await withDaemon(machine, async () => {
    const { config } = await machine.askStatus();
    assert.deepEqual(config.warnings.filter((warning) => warning.includes("private endpoints")), [
      'net.listen_interface: clients in net.allow_cidrs can reach these private endpoints on "0.0.0.0"',
    ]);
    assert.match(machine.logText, /can reach these private endpoints/);
  });
});

Deno.test("runDaemon() moves its section when it is started with another hosts file after a crash", async () => {
  await using machine = await FakeMachine.create();
  const { hostsPath, directory, etc, environment, network } = machine;
  const earlier = `${directory}/earlier`;
  machine.cloud.addEndpoint({ url: "tcp://db.internal:8304", backend: "echo" });
  const isIn = async (path: string) => (await Deno.readTextFile(path)).includes("db.internal");
  environment.NGROKD_HOSTS_PATH = earlier;
  let journal = "";
  await withDaemon(machine, async () => {
    await machine.until("the name is published", () => isIn(earlier));
    journal = await Deno.readTextFile(`${etc}/journal.json`);
  });
  await assert.rejects(Deno.stat(earlier), Deno.errors.NotFound, "it did not exist before");
  await assert.rejects(Deno.stat(`${etc}/journal.json`), Deno.errors.NotFound);

  // As if that daemon had been killed.
  await Deno.writeTextFile(earlier, renderBlock(new Map([["db.internal", network.address("0.2")]])));
  await Deno.writeTextFile(`${etc}/journal.json`, journal, { mode: 0o644 });
  environment.NGROKD_HOSTS_PATH = hostsPath;
  await withDaemon(machine, async () => {
    await assert.rejects(Deno.stat(earlier), Deno.errors.NotFound);
    await machine.until("the name is published", () => isIn(hostsPath));
  });
});
