import assert from "node:assert/strict";
import { fakeMachine } from "./fake_machine.ts";
import { statusOf, withDaemon } from "./with_daemon.ts";

Deno.test("an api.url that is a little wrong, and the API's own 404 to it, costs no operator (a second one was made) (F42)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.126.0.0/16}");
  const { cloud, configPath } = machine;
  await withDaemon(machine, async () => {
    const { operator_id } = await statusOf(machine);
    const config = await Deno.readTextFile(configPath);
    await Deno.writeTextFile(configPath, config.replace(cloud.apiUrl, `${cloud.apiUrl}/v2`));
    machine.signal("SIGHUP");
    await machine.until("it polls there", async () => (await statusOf(machine)).api.error !== null);
    const { api, operator_id: kept } = await statusOf(machine);
    assert.match(api.error!, /answered 404/);
    assert.match(api.hint!, /api\.url/);
    assert.equal(kept, operator_id);
    await Deno.writeTextFile(configPath, config);
    machine.signal("SIGHUP");
    await machine.until("it polls here", async () => (await statusOf(machine)).api.state === "ok");
    assert.deepEqual(cloud.operators().map(({ id, deleted }) => [id, deleted]), [[operator_id, false]]);
  });
});

Deno.test("a portal's 403 in HTML is no refused key, and lets no key that nobody has verified replace a good one (it did) (F36)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.126.0.0/16}");
  const { cloud, configPath } = machine;
  await withDaemon(machine, async () => {
    const before = await Deno.readTextFile(configPath);
    cloud.faults.set({ kind: "html", status: 403 });
    await machine.until("it fails", async () => (await statusOf(machine)).api.error !== null);
    const { api } = await statusOf(machine);
    assert.equal(api.state, "failing");
    assert.match(api.hint!, /api\.url/);
    const answer = await machine.ask("set-api-key", ["2typotypotypotypotypotypotyp_typo"]);
    assert.equal(answer.success, false);
    assert.match(answer.error!, /Cannot verify the API key/);
    assert.equal(await Deno.readTextFile(configPath), before);
  });
});

Deno.test("a key of another account takes effect at once: this machine is registered there by the same command (it took until the next poll)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.126.0.0/16}");
  const { cloud, configPath } = machine;
  const config = await Deno.readTextFile(configPath);
  await Deno.writeTextFile(configPath, config.replace("poll_interval: 1", "poll_interval: 30"));
  const other = cloud.addAccount();
  await withDaemon(machine, async () => {
    const { operator_id } = await statusOf(machine);
    const answer = await machine.ask("set-api-key", [other.apiKey]);
    assert.equal(answer.success, true, answer.error);
    const status = await statusOf(machine);
    assert.equal(status.api.state, "ok");
    assert.notEqual(status.operator_id, operator_id);
    assert.ok(cloud.operators().some(({ id, deleted }) => id === status.operator_id && !deleted));
  });
});

Deno.test("refresh-cert for an operator that is gone says what comes next, a new one is made at once, and status forgets the failure (it told it for 60 days)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.126.0.0/16}");
  const { cloud, configPath } = machine;
  const config = await Deno.readTextFile(configPath);
  await Deno.writeTextFile(configPath, config.replace("poll_interval: 1", "poll_interval: 600"));
  await withDaemon(machine, async () => {
    const { serial } = (await statusOf(machine)).certificate!;
    cloud.deleteOperator(cloud.operators()[0]!.id);
    const answer = await machine.ask("refresh-cert", ["--force"]);
    assert.equal(answer.success, false);
    assert.match(`${answer.error} ${answer.hint}`, /answered 404.*ngrokd registers a new one/);
    await machine.until(
      "it is registered",
      async () => (await statusOf(machine)).certificate?.serial !== serial,
    );
    assert.ok(!machine.out.join("").includes("1970-01-01"), "a next try that is none was in the log");
    const { certificate, registered } = await statusOf(machine);
    assert.deepEqual([registered, certificate!.error], [true, null]);
  });
});
