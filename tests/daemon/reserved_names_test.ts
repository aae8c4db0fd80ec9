import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import type { EndpointReport } from "../../src/model/report.ts";
import { fakeMachine } from "./fake_machine.ts";

Deno.test("runDaemon() refuses the name of this machine in any spelling, and the name of the ingress that the cloud names (F67)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.119.0.0/16}", {
    hostname: () => "MyLaptop.Home.",
  });
  const { cloud, configPath } = machine;
  cloud.switches.ingressEndpoint = "Ingress.Example.com:443";
  const text = await Deno.readTextFile(configPath);
  await Deno.writeTextFile(configPath, text.replace(/^ingressEndpoint: .*$/m, ""));
  const reserved = ["mylaptop", "mylaptop.home", "ingress.example.com", "*.example.com"];
  for (const name of [...reserved, "db.myapp"]) {
    cloud.addEndpoint({ url: `tcp://${name}:8341`, backend: "echo" });
  }
  const running = runDaemon(["--config", configPath], machine.system);
  let rows: EndpointReport[] = [];
  await machine.until("all are listed", async () => {
    rows = (await machine.ask("list")).data as EndpointReport[];
    return rows.length === reserved.length + 1;
  });
  machine.signal("SIGTERM");
  assert.equal(await running, 0, machine.out.join(""));
  const refused = rows.filter(({ state }) => state === "refused").map(({ url }) => url);
  assert.deepEqual(refused.sort(), reserved.map((name) => `tcp://${name}:8341`).sort());
});

Deno.test("runDaemon() refuses a name of the last known list that would hijack the machine, before any poll", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.119.0.0/16}", { hostname: () => "mylaptop" });
  const { cloud, configPath, directory } = machine;
  await cloud.closeApi();
  await Deno.mkdir(`${directory}/state`);
  const urls = ["tcp://mylaptop:8342", "tcp://db.myapp:8342"];
  const endpoints = urls.map((url, index) => ({ id: `ep_${index}`, url }));
  await Deno.writeTextFile(`${directory}/state/endpoints.json`, JSON.stringify({ schema: 1, endpoints }));
  const running = runDaemon(["--config", configPath], machine.system);
  let rows: EndpointReport[] = [];
  await machine.until("all are listed", async () => {
    rows = (await machine.ask("list")).data as EndpointReport[];
    return rows.length === 2;
  });
  const hosts = await Deno.readTextFile(`${directory}/hosts`);
  machine.signal("SIGTERM");
  assert.equal(await running, 0, machine.out.join(""));
  const { state, reason } = rows.find(({ url }) => url === urls[0])!;
  assert.deepEqual([state, reason], ["refused", '"mylaptop" is the name of this machine']);
  assert.ok(hosts.includes("\tdb.myapp\n") && !hosts.includes("mylaptop"));
});
