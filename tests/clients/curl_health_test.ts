import assert from "node:assert/strict";
import { freePort } from "../../sim/daemon_harness.ts";
import { ClientStage } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";

const test = clientTests(import.meta.url, { name: "curl (health)", programs: { curl: "curl" } });

const URLS = { "http://a.example.com": "http", "tcp://db.example.com:5432": "echo" } as const;

/** Asks as the HEALTHCHECK of a container does; returns the exit code and the first line. */
async function probe(daemon: ClientStage, path: string): Promise<[number, string]> {
  const url = `http://127.0.0.1:${daemon.stage.healthPort}${path}`;
  const { code, stdout } = await daemon.run(["curl", "-fsS", "--max-time", "5", url]);
  return [code, stdout];
}

async function status(daemon: ClientStage): Promise<[number, string]> {
  const { code, stdout } = await daemon.stage.ctl(["status"]);
  return [code, stdout.split("\n")[0]!];
}

test("virtual", "sees /readyz fail with a refused key until a list is served", async () => {
  await using daemon = await ClientStage.open({
    mode: "virtual",
    endpoints: {},
    apiKey: `${"2".repeat(27)}_wrongwrongwrongwrong1`,
  });
  const { stage } = daemon;
  stage.cloud.addEndpoint({ url: "http://a.example.com", backend: "http" });
  await stage.until("the key is refused", async () => (await stage.askStatus()).api.state === "key_refused");
  assert.deepEqual(await probe(daemon, "/readyz"), [22, ""]);
  assert.deepEqual(await probe(daemon, "/healthz"), [0, "healthy\n"]);
  assert.deepEqual(await status(daemon), [1, "down: the API refuses the key; no list of endpoints yet"]);

  assert.equal((await stage.ctl(["set-api-key", "-"], `${stage.cloud.apiKey}\n`)).code, 0);
  await stage.active(1);
  // A report is at most 1 s old.
  await stage.until("ready", async () => (await probe(daemon, "/readyz"))[0] === 0);
  assert.deepEqual(await probe(daemon, "/readyz"), [0, "ready\n"]);
  assert.deepEqual(await status(daemon), [0, "ok"]);

  await stage.stopDaemon();
  assert.deepEqual((await probe(daemon, "/readyz"))[0], 7);
  assert.deepEqual((await status(daemon))[0], 3);
});

test("virtual", "finds failing endpoints, which list and status name", async () => {
  await using daemon = await ClientStage.open({ mode: "virtual", endpoints: URLS, probeSeconds: 10 });
  const { stage } = daemon;
  const { cloud } = stage;
  await daemon.succeeds(["curl", "-sS", "http://a.example.com"]);
  cloud.setBackend((await stage.askList()).find(({ hostname }) => hostname === "a.example.com")!.id, "down");
  // One failed connection of a user; the probes do the rest.
  await daemon.run(["curl", "-sS", "http://a.example.com"]);
  await stage.until("failing", async () => (await stage.askStatus()).failing_count === 1, 60_000);
  assert.deepEqual(await status(daemon), [0, "degraded: 1 endpoint failing"]);
  assert.match(
    (await stage.ctl(["list"])).stdout,
    /http:\/\/a\.example\.com .*❌ failing\n +Cannot reach a\.example/,
  );

  const { ingressHost, ingressPort } = cloud;
  await stage.editConfig(`${ingressHost}:${ingressPort}`, `${ingressHost}:${freePort()}`);
  const down = "down: the ingress is unreachable; 2 endpoints failing";
  await stage.until("down", async () => (await stage.askStatus()).summary === down, 60_000);
  assert.deepEqual(await status(daemon), [1, down]);
  assert.equal(
    (await probe(daemon, "/readyz"))[0],
    0,
    "it serves its list, and restarting it would not help",
  );
});
