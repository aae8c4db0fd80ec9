import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import type { StatusReport } from "../../src/model/report.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";

async function status(machine: FakeMachine): Promise<StatusReport> {
  return (await machine.ask("status")).data as StatusReport;
}

async function withDaemon(machine: FakeMachine, body: () => Promise<void>): Promise<void> {
  const running = runDaemon(["--config", machine.configPath], machine.system);
  try {
    await machine.until("it answers", async () => (await status(machine)).api.state !== "never");
    await body();
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0, machine.out.join("") + machine.err.join(""));
  }
}

async function edit(machine: FakeMachine, from: string, to: string): Promise<void> {
  const text = await Deno.readTextFile(machine.configPath);
  assert.ok(text.includes(from));
  await Deno.writeTextFile(machine.configPath, text.replace(from, to));
  machine.signal("SIGHUP");
}

Deno.test("SIGHUP takes up a CA file that has changed where the configuration has not", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.124.0.0/16}");
  await Deno.writeTextFile(`${machine.directory}/ca.pem`, "nothing yet");
  await withDaemon(machine, async () => {
    assert.match((await status(machine)).trust.problems.join(), /holds no PEM certificate/);
    await Deno.writeTextFile(`${machine.directory}/ca.pem`, machine.cloud.caPem);
    machine.signal("SIGHUP");
    await machine.until("it is trusted", async () => (await status(machine)).trust.problems.length === 0);
    assert.deepEqual((await status(machine)).trust.sources, [`${machine.directory}/ca.pem`]);
  });
});

Deno.test("a key file that has changed is tried at once at SIGHUP", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.125.0.0/16}");
  const { cloud, directory, environment, configPath } = machine;
  await Deno.writeTextFile(configPath, (await Deno.readTextFile(configPath)).replace(cloud.apiKey, ""));
  await Deno.writeTextFile(`${directory}/key`, `${"2".repeat(27)}_wrongwrongwrongwrong1`);
  environment["NGROK_API_KEY_FILE"] = `${directory}/key`;
  await withDaemon(machine, async () => {
    assert.equal((await status(machine)).api.state, "key_refused");
    await Deno.writeTextFile(`${directory}/key`, cloud.apiKey);
    machine.signal("SIGHUP");
    await machine.until("it is registered", async () => (await status(machine)).registered);
  });
});

Deno.test("a warning that comes with a reload stands in the log, once", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.126.0.0/16}");
  await withDaemon(machine, async () => {
    await edit(machine, "net: {", "nett: 1\nnet: {");
    await edit(machine, "nett: 1", "nett: 2");
    await machine.until(
      "it is there",
      async () => (await status(machine)).config.warnings.some((text) => text.includes("nett")),
    );
    machine.signal("SIGHUP");
    await edit(machine, "net: {", "net: {start_port: 9090, ");
    await machine.until("it is reloaded", () => machine.out.some((line) => line.includes("net.start_port")));
    const said = machine.out.filter((line) => line.includes("nett") && line.includes("Did you mean"));
    assert.equal(said.length, 1, said.join(""));
  });
});

Deno.test("a key that needs a restart is said until it is as it was at the start", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.127.0.0/16}");
  await withDaemon(machine, async () => {
    const pending = async () =>
      (await status(machine)).config.warnings.filter((text) => text.includes("next start"));
    await edit(machine, "net: {", "net: {interface_name: other0, ");
    await machine.until("it is said", async () => (await pending()).length === 1);
    await machine.until(
      "the log says it too",
      () =>
        machine.out.some((line) =>
          line.includes("net.interface_name was changed and takes effect at the next start")
        ),
    );
    await edit(machine, "interface_name: other0, ", "");
    await machine.until("it is over", async () => (await pending()).length === 0);
  });
});

Deno.test("a health port that is taken is said with the next step, and does not stop the daemon", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.128.0.0/16}");
  const port = Number(/health_port: ([0-9]+)/.exec(await Deno.readTextFile(machine.configPath))![1]);
  using _holder = Deno.listen({ hostname: "127.0.0.1", port });
  await withDaemon(machine, async () => {
    assert.match((await status(machine)).health.error!, /address is in use \(.*server\.health_port\)/);
    assert.ok(
      machine.out.some((line) => line.includes("Cannot serve health") && line.includes("server.health_port")),
    );
  });
});

Deno.test("an ingress that the cloud names in a form that is no address is not used, and nothing fails for it", async () => {
  for (const named of ["ingress.example:99999", "not a host:443", "*.x.example:443"]) {
    await using machine = await fakeMachine("net: {subnet: 127.129.0.0/16}");
    const text = await Deno.readTextFile(machine.configPath);
    await Deno.writeTextFile(machine.configPath, text.replace(/^ingressEndpoint: .*\n/m, ""));
    const { sendHttp } = machine.system;
    const system = {
      ...machine.system,
      sendHttp: async (request: Parameters<typeof sendHttp>[0]) => {
        const response = await sendHttp(request);
        const body = response.body.replace(
          /"ingress_endpoint":\s*"[^"]*"/,
          `"ingress_endpoint":${JSON.stringify(named)}`,
        );
        return { ...response, body };
      },
    };
    await withDaemon({ ...machine, system }, async () => {
      await machine.until("the API is well", async () => (await status(machine)).api.state === "ok");
      assert.equal((await status(machine)).ingress_endpoint, "kubernetes-binding-ingress.ngrok.io:443");
    });
  }
});
