import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

Deno.test("SIGHUP loads a CA file again although the configuration has not changed", async () => {
  await using machine = await FakeMachine.create();
  const { cloud, etc } = machine;
  await Deno.writeTextFile(`${etc}/ca.pem`, "nothing yet");
  await withDaemon(machine, async () => {
    assert.match((await machine.askStatus()).trust.problems.join(), /holds no PEM certificate/);
    await Deno.writeTextFile(`${etc}/ca.pem`, cloud.caPem);
    machine.signal("SIGHUP");
    await machine.until("trust", async () => (await machine.askStatus()).trust.problems.length === 0);
    assert.deepEqual((await machine.askStatus()).trust.sources, [`${etc}/ca.pem`]);
  });
});

Deno.test("SIGHUP tries a changed key file at once", async () => {
  await using machine = await FakeMachine.create({ apiKey: "" });
  const { cloud, directory, environment } = machine;
  await Deno.writeTextFile(`${directory}/key`, `${"2".repeat(27)}_wrongwrongwrongwrong1`, { mode: 0o600 });
  environment.NGROK_API_KEY_FILE = `${directory}/key`;
  await withDaemon(machine, async () => {
    assert.equal((await machine.askStatus()).api.state, "key_refused");
    await Deno.writeTextFile(`${directory}/key`, cloud.apiKey);
    machine.signal("SIGHUP");
    await machine.until("registered", async () => (await machine.askStatus()).registered);
  }, { ready: "answered" });
});

Deno.test("A reload logs a new warning once", async () => {
  await using machine = await FakeMachine.create();
  await withDaemon(machine, async () => {
    await machine.reloadWith("net:", "nett: 1\nnet:");
    await machine.reloadWith("nett: 1", "nett: 2");
    await machine.until(
      "the warning",
      async () => (await machine.askStatus()).config.warnings.some((text) => text.includes("nett")),
    );
    machine.signal("SIGHUP");
    await machine.reloadWith("net:", "net:\n  start_port: 9090");
    await machine.untilLogged("net.start_port");
    const warnings = machine.log.filter((line) => line.includes("nett") && line.includes("Did you mean"));
    assert.equal(warnings.length, 1, warnings.join(""));
  });
});

Deno.test("A changed key that needs a restart is a warning until the change is reverted", async () => {
  await using machine = await FakeMachine.create();
  await withDaemon(machine, async () => {
    const pending = async () =>
      (await machine.askStatus()).config.warnings.filter((text) => text.includes("next start")).length;
    await machine.reloadWith("net:", "net:\n  interface_name: other0");
    await machine.until("the warning", async () => await pending() === 1);
    await machine.untilLogged("net.interface_name was changed and takes effect at the next start");
    await machine.reloadWith("  interface_name: other0\n", "");
    await machine.until("no warning", async () => await pending() === 0);
  });
});

Deno.test("A health port in use is reported with a hint and does not stop the daemon", async () => {
  await using machine = await FakeMachine.create();
  using _holder = Deno.listen({ hostname: "127.0.0.1", port: machine.healthPort });
  await withDaemon(machine, async () => {
    const { error } = (await machine.askStatus()).health;
    assert.match(error!, /address is in use \(.*server\.health_port\)/);
    assert.match(machine.logText, /Cannot start the health server.*server\.health_port/);
  });
});
