import assert from "node:assert/strict";
import { type Printed, Stage } from "../../sim/stage.ts";
import { runProgram } from "../root/commands.ts";
import { Neighbour } from "../root/neighbour.ts";
import { rootTests } from "../root/test_root.ts";

const CURL = ["curl", "-sS", "--max-time", "5", "--write-out", "%{http_code}"];

const test = rootTests(import.meta.url);

// `net.allow_cidrs` did not concern the health server, and an empty list meant its default.
test("a neighbour reads health only from net.allow_cidrs, and only by known names (R70)", async () => {
  await using neighbour = await Neighbour.open();
  const { lan } = neighbour;
  await using stage = await Stage.open({
    server: "health_address: 0.0.0.0\nhealth_hosts: [ngrokd.monitoring.svc]",
    net: "allow_cidrs: []",
  });
  stage.startDaemon();
  await stage.until("the daemon answers", async () => (await stage.askStatus()).health.error === null);
  const url = `http://${lan.address(1)}:${stage.healthPort}/health`;
  const ask = (...fields: string[]) => [...CURL, ...fields.flatMap((field) => ["-H", field]), url];
  const [empty, healthy] = [/Empty reply|reset/, "healthy\n200"];

  const refused = await neighbour.run(ask());
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, empty);
  assert.equal((await runProgram(ask())).stdout, healthy);

  await stage.editConfig("allow_cidrs: []", `allow_cidrs: [${lan.cidr(0)}]`);
  Deno.kill(stage.pid, "SIGHUP");
  let answer: Printed = refused;
  await stage.until("the neighbour is allowed", async () => (answer = await neighbour.run(ask())).code === 0);
  assert.equal(answer.stdout, healthy);
  assert.equal((await neighbour.run(ask("Host: ngrokd.monitoring.svc"))).stdout, healthy);
  assert.match((await neighbour.run(ask("Host: evil.example"))).stdout, /403$/);
  assert.match((await neighbour.run(ask("Sec-Fetch-Site: cross-site"))).stdout, /403$/);
});
