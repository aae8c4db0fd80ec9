import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";
import { whileServing } from "./served_endpoint.ts";

const IDENTITY = ["operator_id", "tls.crt", "tls.key"];

function livingOperators({ cloud }: FakeMachine) {
  return cloud.operators().filter(({ deleted }) => !deleted);
}

/** The marker of the registration that made this operator. */
function markerOf({ metadata }: { metadata: string }): string {
  return JSON.parse(metadata).mark;
}

/** Asserts that the daemon uses the only operator that the account has ever had. */
async function assertSoleOperator(machine: FakeMachine): Promise<void> {
  const [operator, ...others] = machine.cloud.operators();
  assert.deepEqual([others, operator!.deleted], [[], false]);
  assert.equal((await machine.askStatus()).operator_id, operator!.id);
}

Deno.test("runDaemon() keeps all endpoints at one empty list and removes them when a second agrees (F39)", () =>
  whileServing(async ({ machine, cloud, id, assertKept, assertServed }) => {
    const notice = async () => (await machine.askStatus()).api.notice;
    for (let time = 0; time < 2; time++) {
      cloud.faults.set({ kind: "empty_list", route: "bound_endpoints.list", times: 1 });
      await machine.until("a notice", async () => await notice() !== null);
      await assertServed("after an empty list");
      await machine.until("no notice", async () => await notice() === null);
      await assertKept("after a full list");
    }
    assert.match(machine.logText, /lists 0 of 1 known endpoints; keeping the known endpoints/);
    cloud.removeEndpoint(id);
    await machine.settled(0);
    assert.ok(!(await Deno.readTextFile(machine.hostsPath)).includes("api.myapp"));
  }));

for (
  const [fault, what] of [
    [{ kind: "cut_body", bytes: 10 }, "cut off"],
    [{ kind: "empty_body" }, "empty"],
  ] as const
) {
  Deno.test(`A registration whose answer is ${what} takes its operator over by its marker`, async () => {
    await using machine = await FakeMachine.create();
    machine.cloud.faults.set({ ...fault, route: "operators.create", times: 1 });
    await withDaemon(machine, async () => {
      await assertSoleOperator(machine);
      assert.equal(machine.cloud.operators()[0]!.certificates, 2);
    });
  });
}

for (const exists of [true, false]) {
  const outcome = exists ? "takes its operator over" : "registers if it has no operator";
  Deno.test(`A start with the marker of an interrupted registration ${outcome}`, async () => {
    await using machine = await FakeMachine.create();
    const { cloud, etc } = machine;
    await withDaemon(machine, () => {});
    const first = cloud.operators()[0]!;
    for (const file of IDENTITY) await Deno.remove(`${etc}/${file}`);
    await Deno.writeTextFile(`${etc}/registration_mark`, markerOf(first));
    if (!exists) cloud.deleteOperator(first.id);
    await withDaemon(machine, async () => {
      const [operator, ...others] = livingOperators(machine);
      assert.deepEqual(others, []);
      assert.equal(operator!.id, (await machine.askStatus()).operator_id);
      assert.equal(operator!.id === first.id, exists);
    });
  });
}

// It went on with the old operator's certificate, for 60 days.
Deno.test("A registration killed after it saved the id does not use the old operator's certificate", async () => {
  await using machine = await FakeMachine.create();
  const { cloud, etc } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8321", backend: "http" });
  await withDaemon(machine, () => {});
  const pair = [`${etc}/tls.crt`, `${etc}/tls.key`];
  const old = await Promise.all(pair.map((path) => Deno.readTextFile(path)));
  cloud.deleteOperator(cloud.operators()[0]!.id);
  await withDaemon(machine, () => {});
  const second = livingOperators(machine)[0]!;
  await Promise.all(pair.map((path, index) => Deno.writeTextFile(path, old[index]!)));
  await Deno.writeTextFile(`${etc}/registration_mark`, markerOf(second));
  await withDaemon(machine, async () => {
    const [row] = await machine.settled(1);
    assert.equal(await statusLine(row!), "HTTP/1.1 200 OK");
    assert.equal((await machine.askStatus()).operator_id, second.id);
  });
  assert.equal(livingOperators(machine).length, 1);
});

Deno.test("An operator whose certificate cannot be saved is taken over once the disk accepts it", async () => {
  await using machine = await FakeMachine.create();
  const { cloud, etc } = machine;
  // A directory instead of the temporary file makes the write fail.
  const obstacle = `${etc}/tls.pending.ngrokd.tmp`;
  await Deno.mkdir(`${obstacle}/file`, { recursive: true });
  cloud.faults.set({ kind: "error", status: 500, route: "operators.delete" });
  const repaired = machine.untilLogged("Cannot remove the operator")
    .then(() => Deno.remove(obstacle, { recursive: true }));
  await withDaemon(machine, () => assertSoleOperator(machine));
  await repaired;
});
