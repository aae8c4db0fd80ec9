import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import { renderBlock } from "../../src/names/hosts/hosts_block.ts";
import type { EndpointReport, HealthReport, StatusReport } from "../../src/model/report.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";

/** Runs a daemon around `body`, ends it with SIGTERM, and demands the exit code. */
async function withDaemon(machine: FakeMachine, body: () => Promise<void>, code = 0): Promise<void> {
  const running = runDaemon(["--config", machine.configPath], machine.system);
  try {
    await machine.until("the daemon answers", async () => (await status(machine)).api.state !== "never");
    await body();
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, code, machine.out.join("") + machine.err.join(""));
  }
}

async function status(machine: FakeMachine): Promise<StatusReport> {
  return (await machine.ask("status")).data as StatusReport;
}

async function list(machine: FakeMachine): Promise<EndpointReport[]> {
  return (await machine.ask("list")).data as EndpointReport[];
}

async function get(address: string, host: string): Promise<string> {
  const [hostname, port] = address.split(":");
  const conn = await Deno.connect({ hostname: hostname!, port: Number(port) });
  await conn.write(new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
  return await new Response(conn.readable).text();
}

Deno.test("runDaemon() registers, serves every kind of endpoint, writes names, and leaves neither names nor socket behind", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.112.0.0/16}");
  await Deno.writeTextFile(`${machine.directory}/hosts`, "127.0.0.1 localhost\n");
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  cloud.addEndpoint({ url: "tcp://db.internal:8302", backend: "echo" });
  cloud.addEndpoint({ url: "http://*.apps.example.com:8303", backend: "http" });
  await withDaemon(machine, async () => {
    await machine.until("all are listed", async () => (await list(machine)).length === 3);
    const rows = await list(machine);
    assert.deepEqual(rows.map((row) => row.state), ["active", "active", "active"]);
    assert.equal(new Set(rows.map((row) => row.ip)).size, 3, "one address per hostname");
    const api = rows.find((row) => row.hostname === "api.myapp")!;
    assert.match(await get(api.listen_address, "api.myapp:8301"), /^HTTP\/1\.1 200 /);
    const wildcard = rows.find((row) => row.wildcard)!;
    assert.match(await get(wildcard.listen_address, "a.b.apps.example.com:8303"), /^HTTP\/1\.1 200 /);
    const hosts = await Deno.readTextFile(`${machine.directory}/hosts`);
    assert.ok(hosts.includes(`${api.ip}\tapi.myapp\n`));
    assert.ok(!hosts.includes("apps.example.com"));
    await machine.until(
      "the connection is counted",
      async () => (await list(machine)).find((row) => row.id === api.id)!.total_connections === 1,
    );

    const report = await status(machine);
    assert.equal(report.registered, true);
    assert.equal(report.operator_id, cloud.operators()[0]!.id);
    assert.equal(report.endpoint_count, 3);
    assert.equal(report.certificate!.days_left, 89);
    assert.equal(report.ingress.state, "ok");
    assert.deepEqual(report.api.key, { set: true, source: "config" });
    const health = (await machine.ask("health")).data as HealthReport;
    assert.deepEqual([health.healthy, health.ready, health.has_endpoints, health.reasons], [
      true,
      true,
      true,
      [],
    ]);
    assert.equal((await fetch(`http://${report.health.address}/healthz`)).status, 200);
  });
  assert.equal(await Deno.readTextFile(`${machine.directory}/hosts`), "127.0.0.1 localhost\n");
  await assert.rejects(Deno.stat(`${machine.directory}/run/ngrokd.sock`), Deno.errors.NotFound);
});

Deno.test("runDaemon() removes name and listener of an endpoint that is gone, and gives it the same address when it is back", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.113.0.0/16}");
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://first.myapp:8311", backend: "http" });
  const { id } = cloud.addEndpoint({ url: "http://api.myapp:8312", backend: "http" });
  await withDaemon(machine, async () => {
    await machine.until("both are listed", async () => (await list(machine)).length === 2);
    const before = (await list(machine)).find((row) => row.id === id)!;
    cloud.removeEndpoint(id);
    await machine.until("one is left", async () => (await list(machine)).length === 1);
    assert.ok(!(await Deno.readTextFile(`${machine.directory}/hosts`)).includes("api.myapp"));
    await assert.rejects(Deno.connect({ hostname: before.ip, port: 8312 }), Deno.errors.ConnectionRefused);
    cloud.addEndpoint({ url: "http://api.myapp:8312", backend: "http" });
    await machine.until("both are back", async () => (await list(machine)).length === 2);
    assert.equal((await list(machine)).find((row) => row.hostname === "api.myapp")!.ip, before.ip);
  });
});

Deno.test("runDaemon() registers anew when its operator is deleted, and keeps listeners and addresses meanwhile (F42)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.114.0.0/16}");
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8321", backend: "http" });
  await withDaemon(machine, async () => {
    await machine.until("it is listed", async () => (await list(machine)).length === 1);
    const [row] = await list(machine);
    const { operator_id: old } = await status(machine);
    cloud.deleteOperator(old!);
    await machine.until("it has a new id", async () => {
      const { operator_id: id } = await status(machine);
      return id !== undefined && id !== old;
    });
    await machine.until("the API is well", async () => (await status(machine)).api.state === "ok");
    assert.equal((await list(machine))[0]!.listen_address, row!.listen_address);
    assert.match(await get(row!.listen_address, "api.myapp:8321"), /^HTTP\/1\.1 200 /);
  });
});

Deno.test("runDaemon() refuses endpoints that would hijack the machine, and lists them with the reason", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.115.0.0/16}", { hostname: () => "mylaptop" });
  const { cloud } = machine;
  for (const name of ["localhost", "mylaptop", "a.localhost"]) {
    cloud.addEndpoint({ url: `http://${name}:8331`, backend: "http" });
  }
  cloud.addEndpoint({ url: "http://good.myapp:8331", backend: "http" });
  await withDaemon(machine, async () => {
    await machine.until("all are listed", async () => (await list(machine)).length === 4);
    const refused = (await list(machine)).filter((row) => row.state === "refused");
    assert.equal(refused.length, 3);
    for (const row of refused) assert.match(row.reason, /this machine|localhost/);
    const hosts = await Deno.readTextFile(`${machine.directory}/hosts`);
    assert.ok(hosts.includes("good.myapp") && !hosts.includes("localhost"));
  });
});

Deno.test("runDaemon() waits for a key, and set-api-key registers at once and keeps every other byte of the file", async () => {
  await using machine = await fakeMachine("# a comment\nnet: {subnet: 127.116.0.0/16}");
  const { cloud } = machine;
  const text = await Deno.readTextFile(machine.configPath);
  const empty = text.replace(cloud.apiKey, "");
  await Deno.writeTextFile(machine.configPath, empty);
  await withDaemon(machine, async () => {
    assert.equal((await status(machine)).api.state, "no_key");
    assert.equal((await machine.ask("refresh-cert")).error, "daemon not registered - set API key first");
    assert.equal((await machine.ask("set-api-key")).error, "API key required");
    assert.equal((await machine.ask("set-api-key", ["two words"])).success, false);
    const answer = await machine.ask("set-api-key", [cloud.apiKey]);
    assert.deepEqual(answer, { success: true, data: "API key set successfully" });
    assert.equal((await status(machine)).registered, true);
    assert.equal(await Deno.readTextFile(machine.configPath), text);
    assert.equal((await Deno.stat(machine.configPath)).mode! & 0o777, 0o600);
  });
  assert.ok(!machine.out.join("").includes(cloud.apiKey));
});

Deno.test("runDaemon() takes the key from NGROK_API_KEY or a file when the configuration has none, and says from where", async () => {
  for (const source of ["environment", "file"] as const) {
    await using machine = await fakeMachine("net: {subnet: 127.117.0.0/16}");
    await Deno.writeTextFile(
      machine.configPath,
      (await Deno.readTextFile(machine.configPath)).replace(machine.cloud.apiKey, ""),
    );
    if (source === "environment") machine.environment["NGROK_API_KEY"] = machine.cloud.apiKey;
    else {
      await Deno.writeTextFile(`${machine.directory}/key`, `${machine.cloud.apiKey}\n`);
      machine.environment["NGROK_API_KEY_FILE"] = `${machine.directory}/key`;
    }
    await withDaemon(machine, async () => {
      await machine.until("it is registered", async () => (await status(machine)).registered);
      assert.deepEqual((await status(machine)).api.key, { set: true, source });
    });
  }
});

Deno.test("runDaemon() ends with code 1 and all problems of a broken configuration, each with its key", async () => {
  await using machine = await fakeMachine("net: {start_port: 0x, subnet: nonsense}\nunknown: 1");
  assert.equal(await runDaemon(["--config", machine.configPath], machine.system), 1);
  const text = machine.err.join("");
  assert.match(text, /^Error: Config validation failed/);
  assert.match(text, /net\.start_port/);
  assert.match(text, /net\.subnet/);
});

Deno.test("runDaemon() ends with code 1 and a next step when the configuration file is missing", async () => {
  await using machine = await fakeMachine();
  assert.equal(await runDaemon(["--config", `${machine.directory}/none.yml`], machine.system), 1);
  assert.match(machine.err.join(""), /none\.yml: it does not exist\n.*--config/s);
});

Deno.test("runDaemon() prints version and usage with exit codes 0 and 2", async () => {
  await using machine = await fakeMachine();
  assert.equal(await runDaemon(["--version"], machine.system), 0);
  assert.match(machine.out.join(""), /^ngrokd version [0-9.]+\n$/);
  assert.equal(await runDaemon(["nonsense"], machine.system), 2);
  assert.match(machine.err.join(""), /nonsense/);
});

Deno.test("runDaemon() survives a rejection that nobody handles, and says so (F23)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.118.0.0/16}");
  await withDaemon(machine, async () => {
    Promise.reject(new Error("a planted fault"));
    await machine.until(
      "it is said",
      () => machine.out.some((line) => line.includes("A fault in ngrokd was survived: a planted fault")),
    );
    assert.equal((await machine.ask("status")).success, true);
  });
});

Deno.test("runDaemon() lets a running connection end at SIGTERM, and cuts it at the second signal with exit code 1", async () => {
  for (const forced of [false, true]) {
    await using machine = await fakeMachine("net: {subnet: 127.119.0.0/16}");
    machine.cloud.addEndpoint({ url: "tcp://db.internal:8341", backend: "echo" });
    const running = runDaemon(["--config", machine.configPath], machine.system);
    await machine.until("it is listed", async () => (await list(machine)).length === 1);
    const [row] = await list(machine);
    const conn = await Deno.connect({ hostname: row!.ip, port: 8341 });
    const buffer = new Uint8Array(8);
    await conn.write(new TextEncoder().encode("ping"));
    assert.equal(await conn.read(buffer), 4);
    machine.signal("SIGTERM");
    await machine.until(
      "it waits",
      () => machine.out.some((line) => line.includes("Waiting for running connections")),
    );
    await assert.rejects(Deno.connect({ hostname: row!.ip, port: 8341 }), Deno.errors.ConnectionRefused);
    if (forced) machine.signal("SIGINT");
    else {
      await conn.write(new TextEncoder().encode("pong"));
      assert.equal(await conn.read(buffer), 4, "it still works while it drains");
      conn.close();
    }
    assert.equal(await running, forced ? 1 : 0);
    if (forced) conn.close();
  }
});

Deno.test("runDaemon() ends with exit code 0 at two signals when no connection is open (it was 1) (F27)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.119.0.0/16}");
  await withDaemon(machine, () => Promise.resolve(machine.signal("SIGTERM")));
});

Deno.test("runDaemon() warns that listeners which are not virtual open private endpoints to the network", async () => {
  await using machine = await fakeMachine(
    'net: {listen_interface: 0.0.0.0, overrides: {"a.myapp": 127.0.0.1}}',
  );
  await withDaemon(machine, async () => {
    const { config } = await status(machine);
    assert.deepEqual(config.warnings.filter((warning) => warning.includes("private endpoints")), [
      'net.listen_interface: clients in net.allow_cidrs can reach these private endpoints on "0.0.0.0"',
    ]);
    assert.ok(machine.out.some((line) => line.includes("can reach these private endpoints")));
  });
});

Deno.test("runDaemon() says in the log that saved state was damaged, and keeps the damaged file", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.112.0.0/16}");
  await Deno.mkdir(`${machine.directory}/state`, { mode: 0o700 });
  await Deno.writeTextFile(`${machine.directory}/state/ip_mappings.json`, "nope");
  await withDaemon(machine, async () => {
    assert.equal(await Deno.readTextFile(`${machine.directory}/state/ip_mappings.json.bad`), "nope");
    assert.match(
      machine.out.join(""),
      /ERROR daemon: Saved state has a problem: .*ip_mappings\.json is damaged/,
    );
  });
});

Deno.test("runDaemon() takes its section out of the hosts file of an earlier run when it keeps another one now", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.112.0.0/16}");
  const [earlier, now] = ["earlier", "hosts"].map((name) => `${machine.directory}/${name}`) as [
    string,
    string,
  ];
  machine.cloud.addEndpoint({ url: "tcp://db.internal:8304", backend: "echo" });
  machine.environment.NGROKD_HOSTS_PATH = earlier;
  let journal = "";
  await withDaemon(machine, async () => {
    await machine.until(
      "it is published",
      async () => (await Deno.readTextFile(earlier)).includes("db.internal"),
    );
    journal = await Deno.readTextFile(`${machine.directory}/state/journal.json`);
  });
  await assert.rejects(Deno.stat(earlier), Deno.errors.NotFound, "it was not there before");
  await assert.rejects(Deno.stat(`${machine.directory}/state/journal.json`), Deno.errors.NotFound);

  // As if that run had been killed.
  await Deno.writeTextFile(earlier, renderBlock(new Map([["db.internal", "127.112.0.2"]])));
  await Deno.writeTextFile(`${machine.directory}/state/journal.json`, journal);
  machine.environment.NGROKD_HOSTS_PATH = now;
  await withDaemon(machine, async () => {
    await assert.rejects(Deno.stat(earlier), Deno.errors.NotFound);
    await machine.until(
      "it is published",
      async () => (await Deno.readTextFile(now)).includes("db.internal"),
    );
  });
});

Deno.test("runDaemon() with cleanup removes what a killed daemon left in the hosts file, and refuses while one runs", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.121.0.0/16}");
  const hosts = `${machine.directory}/hosts`;
  const original = "127.0.0.1 localhost\n";
  await Deno.writeTextFile(hosts, original);
  machine.cloud.addEndpoint({ url: "http://api.myapp:8351", backend: "http" });
  let section = "";
  await withDaemon(machine, async () => {
    await machine.until("it is listed", async () => (await list(machine)).length === 1);
    section = await Deno.readTextFile(hosts);
    assert.match(section, /api\.myapp/);
    assert.equal(await runDaemon(["cleanup", "--config", machine.configPath], machine.system), 1);
    assert.match(machine.err.join(""), /another ngrokd is running/);
    assert.equal(await Deno.readTextFile(hosts), section);
  });
  await Deno.writeTextFile(hosts, section);
  assert.equal(await runDaemon(["cleanup", "--config", machine.configPath], machine.system), 0);
  assert.equal(await Deno.readTextFile(hosts), original);
  await assert.rejects(Deno.stat(`${machine.directory}/run/ngrokd.sock`), Deno.errors.NotFound);
});
