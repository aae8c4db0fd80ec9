import assert from "node:assert/strict";
import { fakeMachine } from "./fake_machine.ts";
import { listOf, statusLine, statusOf, withDaemon } from "./with_daemon.ts";

Deno.test("runDaemon() serves on while the API lists nothing now and then, and removes all when two lists agree (F39)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.121.0.0/16}");
  const { cloud } = machine;
  const { id } = cloud.addEndpoint({ url: "http://api.myapp:8321", backend: "http" });
  const hosts = () => Deno.readTextFile(`${machine.directory}/hosts`);
  await withDaemon(machine, async () => {
    await machine.until("it is listed", async () => (await listOf(machine)).length === 1);
    const [row] = await listOf(machine);
    const before = await hosts();
    for (let time = 0; time < 2; time++) {
      cloud.faults.set({ kind: "empty_list", route: "bound_endpoints.list", times: 1 });
      await machine.until(
        "the empty list is told",
        async () => (await statusOf(machine)).api.notice !== null,
      );
      assert.equal(await statusLine(row!), "HTTP/1.1 200 OK");
      assert.equal(await hosts(), before);
      await machine.until("the full list is back", async () => (await statusOf(machine)).api.notice === null);
      assert.deepEqual((await listOf(machine)).map(({ ip }) => ip), [row!.ip]);
    }
    assert.match(machine.out.join(""), /lists no endpoints.*kept until the next poll agrees/);
    cloud.removeEndpoint(id);
    await machine.until("it is gone", async () => (await listOf(machine)).length === 0);
    assert.ok(!(await hosts()).includes("api.myapp"));
  });
});

for (
  const [fault, title] of [
    [{ kind: "cut_body", bytes: 10 }, "whose answer is cut off"],
    [{ kind: "empty_body" }, "whose answer is empty"],
  ] as const
) {
  Deno.test(`a registration ${title} leaves one operator in the account: it is found by its mark and taken over`, async () => {
    await using machine = await fakeMachine("net: {subnet: 127.123.0.0/16}");
    const { cloud } = machine;
    cloud.faults.set({ ...fault, route: "operators.create", times: 1 });
    await withDaemon(machine, async () => {
      const [operator, ...others] = cloud.operators();
      assert.deepEqual([others, operator!.deleted], [[], false]);
      assert.equal((await statusOf(machine)).operator_id, operator!.id);
      assert.equal(operator!.certificates, 2);
    });
  });
}

Deno.test("a start with the mark of a registration that was killed takes its operator over, and registers if there is none", async () => {
  for (const killedAfterPost of [true, false]) {
    await using machine = await fakeMachine("net: {subnet: 127.124.0.0/16}");
    const { cloud, directory } = machine;
    await withDaemon(machine, () => Promise.resolve());
    const [first] = cloud.operators();
    const { mark } = JSON.parse(first!.metadata);
    for (const file of ["operator_id", "tls.crt", "tls.key"]) await Deno.remove(`${directory}/state/${file}`);
    await Deno.writeTextFile(`${directory}/state/registration_mark`, mark);
    if (!killedAfterPost) cloud.deleteOperator(first!.id);
    await withDaemon(machine, async () => {
      const live = cloud.operators().filter(({ deleted }) => !deleted);
      assert.deepEqual(live.map(({ id }) => id), [(await statusOf(machine)).operator_id]);
      assert.equal(live[0]!.id === first!.id, killedAfterPost);
    });
  }
});

Deno.test("killed in a new registration after the id was kept, it does not go on with the old operator's certificate (it did, for 60 days)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.124.0.0/16}");
  const { cloud, directory } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8321", backend: "http" });
  await withDaemon(machine, () => Promise.resolve());
  const state = `${directory}/state`;
  const old = await Promise.all(["tls.crt", "tls.key"].map((name) => Deno.readTextFile(`${state}/${name}`)));
  cloud.deleteOperator(cloud.operators()[0]!.id);
  await withDaemon(machine, () => Promise.resolve());
  const second = cloud.operators().find(({ deleted }) => !deleted)!;
  await Promise.all(
    ["tls.crt", "tls.key"].map((name, at) => Deno.writeTextFile(`${state}/${name}`, old[at]!)),
  );
  await Deno.writeTextFile(`${state}/registration_mark`, JSON.parse(second.metadata).mark);
  await withDaemon(machine, async () => {
    await machine.until("it is listed", async () => (await listOf(machine)).length === 1);
    assert.equal(await statusLine((await listOf(machine))[0]!), "HTTP/1.1 200 OK");
    assert.equal((await statusOf(machine)).operator_id, second.id);
  });
  assert.equal(cloud.operators().filter(({ deleted }) => !deleted).length, 1);
});

Deno.test("an operator whose pair cannot be saved, nor it be deleted, is taken over as soon as the disk takes the pair", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.124.0.0/16}");
  const { cloud, directory } = machine;
  const inTheWay = `${directory}/state/tls.pending.ngrokd.tmp/in_the_way`;
  await Deno.mkdir(inTheWay, { recursive: true });
  cloud.faults.set({ kind: "error", status: 500, route: "operators.delete" });
  const noDisk = machine.until(
    "it cannot save",
    () => machine.out.join("").includes("Cannot remove the operator"),
  )
    .then(() => Deno.remove(`${directory}/state/tls.pending.ngrokd.tmp`, { recursive: true }));
  await withDaemon(machine, async () => {
    const [operator, ...others] = cloud.operators();
    assert.deepEqual([others, operator!.deleted], [[], false]);
    assert.equal((await statusOf(machine)).operator_id, operator!.id);
  });
  await noDisk;
});
