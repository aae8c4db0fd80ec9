import assert from "node:assert/strict";
import { type Printed, Stage } from "../../sim/stage.ts";
import { machineState, runProgram } from "./commands.ts";
import { rootTests } from "./test_root.ts";

// Everything is as for a user who follows the README as root.
const test = rootTests(import.meta.url, { etc: true });

const NAMES = ["api.myapp", "db.internal", "secure.myapp", "web.myapp"];

/** The addresses that the names resolve to on this machine; `""` if one does not resolve. */
async function resolved(): Promise<Record<string, string>> {
  const entries = NAMES.map(async (name) => {
    const { stdout } = await runProgram(["getent", "ahostsv4", name]);
    return [name, /^\S*/.exec(stdout)![0]];
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function curl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(["curl", "-sS", "--max-time", "5", ...args]);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function nc(name: string, port: number, line: string): Promise<string> {
  const { code, stdout, stderr } = await runProgram(["nc", "-N", "-w", "5", name, String(port)], line);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Demands that every endpoint answers by its name, on its own port, at these addresses. */
async function assertServesAll({ etc }: Stage, addresses: Record<string, string>): Promise<void> {
  assert.deepEqual(await resolved(), addresses);
  const trust = ["--cacert", `${etc}/ca.pem`];
  assert.match(await curl("http://api.myapp/"), /api\.myapp/);
  assert.match(await curl(...trust, "https://web.myapp/"), /web\.myapp/);
  assert.match(await curl(...trust, "https://secure.myapp:8443/"), /secure\.myapp/);
  assert.match(await nc("db.internal", 5432, "there and back"), /there and back$/);
}

test("ngrokd waits for a key, then serves every kind of endpoint by name until it is stopped", async () => {
  await using stage = await Stage.open({ shipped: true, apiKey: "", pollSeconds: 1 });
  const { cloud } = stage;
  const before = await machineState();
  stage.startDaemon();
  await stage.until("it waits", async () => (await stage.askStatus()).api.state === "no_key");
  const waiting = await stage.ctl(["status"]);
  assert.match(waiting.stdout, /Registered: +No \(waiting for API key\)/);
  assert.equal(cloud.requests().length, 0);

  cloud.addEndpoint({ url: "http://api.myapp", backend: "http" });
  cloud.addEndpoint({ url: "tls://web.myapp:443", backend: "tls" });
  cloud.addEndpoint({ url: "tls://secure.myapp:8443", backend: "tls" });
  const { id } = cloud.addEndpoint({ url: "tcp://db.internal:5432", backend: "echo" });
  const printed = await stage.ctl(["set-api-key", "-"], `${cloud.apiKey}\n`);
  assert.equal(printed.code, 0, printed.stderr);
  const rows = await stage.settled(4);
  const addresses = Object.fromEntries(rows.map(({ hostname, ip }) => [hostname, ip]));
  await assertServesAll(stage, addresses);
  const { stdout } = await stage.ctl(["list"]);
  for (const [name, address] of Object.entries(addresses)) {
    assert.ok(stdout.includes(name) && stdout.includes(address), stdout);
  }

  cloud.removeEndpoint(id);
  await stage.until("the name is gone", async () => (await resolved())["db.internal"] === "", 5000);
  const gone = { hostname: addresses["db.internal"]!, port: 5432 };
  await assert.rejects(Deno.connect(gone), Deno.errors.ConnectionRefused);
  assert.equal(await stage.stopDaemon(), 0, stage.log.join("\n"));
  assert.deepEqual(await machineState(), before);

  // A name that sorts first takes no address that is leased.
  cloud.addEndpoint({ url: "http://a.myapp", backend: "http" });
  cloud.addEndpoint({ url: "tcp://db.internal:5432", backend: "echo" });
  stage.startDaemon();
  await stage.settled(5);
  await assertServesAll(stage, addresses);
  await Deno.writeTextFile(stage.configPath, "nonsense: true\n", { append: true });
  Deno.kill(stage.pid, "SIGHUP");
  await stage.until(
    "the configuration is read again",
    async () => (await stage.askStatus()).config.warnings.some((warning) => warning.includes("nonsense")),
    5000,
  );
  await assertServesAll(stage, addresses);
  assert.equal(await stage.stopDaemon(), 0, stage.log.join("\n"));
  assert.deepEqual(await machineState(), before);
});

async function timed(argument: string): Promise<Printed & { readonly ms: number }> {
  const started = performance.now();
  const printed = await runProgram([Deno.execPath(), "task", "--quiet", "ngrokd", argument]);
  return { ...printed, ms: performance.now() - started };
}

test("a second daemon ends within 2 s with the reason, and no request to the first fails (F22)", async () => {
  await using stage = await Stage.open({ shipped: true, pollSeconds: 1 });
  stage.cloud.addEndpoint({ url: "http://api.myapp", backend: "http" });
  stage.startDaemon();
  await stage.settled(1);
  const curl = "curl --parallel --parallel-max 4 --silent --output /dev/null";
  const requests = runProgram([
    ...[...curl.split(" "), "--write-out", "%{http_code}\\n"],
    ...["--header", "Connection: close", "http://api.myapp/[1-100]"],
  ]);
  const [second, version] = await Promise.all([timed(`--config=${stage.configPath}`), timed("--version")]);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /^Error: .*another ngrokd is running/m);
  // On a busy machine no program starts in 2 s.
  assert.ok(second.ms < Math.max(2000, 3 * version.ms), `${second.ms} ms; a start takes ${version.ms} ms`);
  assert.equal((await requests).stdout, "200\n".repeat(100));
  assert.deepEqual((await stage.askList()).map(({ state }) => state), ["active"]);
});
