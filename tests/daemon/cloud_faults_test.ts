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
