import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

// The daemon registered a second operator.
Deno.test("A 404 because of a wrong path in api.url costs no operator (F42)", async () => {
  await using machine = await FakeMachine.create();
  const { cloud } = machine;
  await withDaemon(machine, async () => {
    const { operator_id } = await machine.askStatus();
    await machine.reloadWith(cloud.apiUrl, `${cloud.apiUrl}/v2`);
    await machine.until("an error", async () => (await machine.askStatus()).api.error !== null);
    const { api, operator_id: kept } = await machine.askStatus();
    assert.match(api.error!, /answered 404/);
    assert.match(api.hint!, /api\.url/);
    assert.equal(kept, operator_id);
    await machine.reloadWith(`${cloud.apiUrl}/v2`, cloud.apiUrl);
    await machine.until("a good poll", async () => (await machine.askStatus()).api.state === "ok");
    assert.deepEqual(cloud.operators().map(({ id, deleted }) => [id, deleted]), [[operator_id, false]]);
  });
});

// Such a 403 let an unverified key replace a good one.
Deno.test("A 403 with HTML from a portal does not count as a refused key (F36)", async () => {
  await using machine = await FakeMachine.create();
  const { cloud, configPath } = machine;
  await withDaemon(machine, async () => {
    const before = await Deno.readTextFile(configPath);
    cloud.faults.set({ kind: "html", status: 403 });
    await machine.until("an error", async () => (await machine.askStatus()).api.error !== null);
    const { api } = await machine.askStatus();
    assert.equal(api.state, "failing");
    assert.match(api.hint!, /api\.url/);
    const answer = await machine.request("set-api-key", ["2typotypotypotypotypotypotyp_typo"]);
    assert.equal(answer.success, false);
    assert.match(answer.error!, /Cannot verify the API key/);
    assert.equal(await Deno.readTextFile(configPath), before);
  });
});

// It took until the next poll.
Deno.test("set-api-key with a key of another account registers there at once", async () => {
  await using machine = await FakeMachine.create({ pollSeconds: 30 });
  const { cloud } = machine;
  const other = cloud.addAccount();
  await withDaemon(machine, async () => {
    const { operator_id } = await machine.askStatus();
    const answer = await machine.request("set-api-key", [other.apiKey]);
    assert.equal(answer.success, true, answer.error);
    const status = await machine.askStatus();
    assert.equal(status.api.state, "ok");
    assert.notEqual(status.operator_id, operator_id);
    assert.ok(cloud.operators().some(({ id, deleted }) => id === status.operator_id && !deleted));
  });
});

// Status kept the failure for 60 days.
Deno.test("refresh-cert for a deleted operator leads to a new one at once, and the failure is cleared", async () => {
  await using machine = await FakeMachine.create({ pollSeconds: 600 });
  const { cloud } = machine;
  await withDaemon(machine, async () => {
    const { serial } = (await machine.askStatus()).certificate!;
    cloud.deleteOperator(cloud.operators()[0]!.id);
    const answer = await machine.request("refresh-cert", ["--force"]);
    assert.equal(answer.success, false);
    assert.match(`${answer.error} ${answer.hint}`, /answered 404.*ngrokd registers a new one/);
    await machine.until(
      "a new certificate",
      async () => (await machine.askStatus()).certificate?.serial !== serial,
    );
    assert.ok(!machine.logText.includes("1970-01-01"), "the log has no time of a next attempt");
    const { certificate, registered } = await machine.askStatus();
    assert.deepEqual([registered, certificate!.error], [true, null]);
  });
});
