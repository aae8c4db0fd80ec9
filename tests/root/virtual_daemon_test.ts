import assert from "node:assert/strict";
import { run } from "../../src/system/run.ts";
import { get } from "../e2e/client.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { networkState, shell } from "./commands.ts";
import { Lan } from "./lan.ts";
import { Neighbour } from "./neighbour.ts";
import { rootTests } from "./test_root.ts";

const SUBNET = "10.107.0.0/16";
const HOSTS = "127.0.0.1 localhost\n";

const test = rootTests(import.meta.url);

/** Starts a daemon, runs `body`, and demands that the daemon stops with exit code 0. */
async function whileRunning(machine: FakeMachine, body: () => Promise<void>): Promise<void> {
  const running = machine.run();
  try {
    await body();
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0, machine.logText + machine.err.join(""));
  }
}

test("the daemon serves its subnet only to this machine, restores it, and leaves nothing (F32)", async () => {
  await using machine = await FakeMachine.create({
    subnet: SUBNET,
    net: "overrides: {shared.myapp: 0.0.0.0}",
  });
  await Deno.writeTextFile(machine.hostsPath, HOSTS);
  machine.cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  machine.cloud.addEndpoint({ url: "http://shared.myapp:8302", backend: "http" });
  const before = await networkState();
  await whileRunning(machine, async () => {
    await machine.until("both are active", async () => {
      const rows = await machine.askList();
      return rows.length === 2 && rows.every((row) => row.state === "active");
    });
    const api = (await machine.askList()).find((row) => row.hostname === "api.myapp")!;
    assert.equal(api.ip, "10.107.0.2");
    const { driver, subnet, reason, kind } = (await machine.askStatus()).addresses;
    assert.deepEqual([driver, subnet, reason], ["linux_ip", SUBNET, null]);
    assert.match(kind!, /^(dummy|veth|lo)$/);
    const assertServes = async () =>
      assert.equal((await get(`${api.ip}:8301`, "api.myapp:8301")).status, 200);
    await assertServes();

    await using neighbour = await Neighbour.open({ routes: (lan) => [`${SUBNET} via ${lan.address(1)}`] });
    const nc = (port: string) =>
      neighbour.succeeds(["nc", "-N", "-w", "5", api.ip, port], "GET / HTTP/1.0\r\n\r\n");
    assert.equal(await nc("8301"), "", "a virtual listener serves this machine only");
    assert.notEqual(await nc("8302"), "", "the neighbour does reach the address");
    const row = (await machine.askList()).find(({ port }) => port === 8301);
    assert.equal(row!.total_connections, 1);

    await shell("/sbin/ip link delete ngrokd0");
    await machine.until(
      "the interface and the route over it are back",
      async () => /local 10\.107\.0\.0\/16 dev ngrokd0/.test(await networkState()),
    );
    await assertServes();
    assert.match(machine.logText, /Cannot use virtual addresses: the interface ngrokd0 is missing/);
    await machine.untilLogged("Restored virtual addresses");
  });
  assert.equal(await networkState(), before);
});

test("the daemon returns to its subnet after a conflict, with the same offsets (F33) (R105)", async () => {
  await using machine = await FakeMachine.create({ subnet: SUBNET });
  machine.cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  const lan = new Lan();
  for (const [hasConflict, address] of [[true, "10.108.0.2"], [false, "10.107.0.2"]] as const) {
    if (hasConflict) await lan.create("10.107.1.1/16");
    await whileRunning(machine, async () => {
      await machine.until("the endpoint is active", async () => {
        const [row] = await machine.askList();
        return row?.listen_address === `${address}:8301` && row.state === "active";
      });
      const { reason } = (await machine.askStatus()).addresses;
      if (hasConflict) assert.match(reason!, /^10\.108\.0\.0\/16 is used instead of/);
      else assert.equal(reason, null);
    });
    if (hasConflict) await lan.delete();
  }
});

/** Leaves what the Go daemon 0.2 leaves behind at SIGTERM: its interface, state files and names. */
async function leaveGoState(machine: FakeMachine): Promise<void> {
  await shell(`
/sbin/ip link add name ngrokd0 type dummy || /sbin/ip link add name ngrokd0 type bridge
for n in 1 2 3; do /sbin/ip address add 10.107.0.$n/16 dev ngrokd0; done
/sbin/ip link set ngrokd0 up`);
  await Deno.writeTextFile(`${machine.etc}/ip_mappings.json`, '{\n  "api.myapp": "10.107.0.3"\n}');
  await Deno.writeTextFile(`${machine.etc}/network_ports.json`, "{}");
  await Deno.writeTextFile(
    machine.hostsPath,
    `${HOSTS}\n# BEGIN ngrokd managed section\n10.107.0.3\tapi.myapp\n# END ngrokd managed section\n`,
  );
}

test("the daemon takes over what the Go daemon left, keeps addresses, and removes it (R105)", async () => {
  await using machine = await FakeMachine.create({ subnet: SUBNET });
  const before = await networkState();
  await leaveGoState(machine);
  machine.cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  await whileRunning(machine, async () => {
    await machine.until("the endpoint is active", async () => {
      const [row] = await machine.askList();
      return row?.listen_address === "10.107.0.3:8301" && row.state === "active";
    });
    const { driver, kind, subnet, reason } = (await machine.askStatus()).addresses;
    assert.deepEqual([driver, subnet, reason], ["linux_ip", SUBNET, null]);
    assert.match(kind!, /^(dummy|veth)$/);
    assert.equal((await get("10.107.0.3:8301", "api.myapp:8301")).status, 200);
    assert.match(machine.logText, /Took over interface ngrokd0 of the Go daemon/);
  });
  assert.equal(await networkState(), before);
  assert.doesNotMatch(await Deno.readTextFile(machine.hostsPath), /ngrokd|myapp/);
});

test("the daemon leaves the interface of a Go daemon that is running, and says why (R105)", async () => {
  await using machine = await FakeMachine.create({ subnet: SUBNET });
  await leaveGoState(machine);
  machine.override({ isServed: () => Promise.resolve(true) });
  const before = await networkState();
  await whileRunning(machine, async () => {
    await machine.settled(0);
    const { driver, reason } = (await machine.askStatus()).addresses;
    assert.equal(driver, "loopback");
    assert.match(reason!, /The Go daemon is running and uses ngrokd0\. Stop the Go daemon, then restart/);
    assert.equal(await networkState(), before);
  });
  assert.equal(await networkState(), before);
  await shell("/sbin/ip link delete ngrokd0");
});

test("cleanup removes the interface, the route and the names that a killed daemon left", async () => {
  await using machine = await FakeMachine.create({ subnet: SUBNET });
  await Deno.writeTextFile(machine.hostsPath, HOSTS);
  const before = await networkState();
  machine.cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  let isKilled = false;
  // A daemon that is killed runs no command at its end, and leaves its names.
  machine.override({
    run: (argv, options) => isKilled ? Promise.resolve({ stdout: "[]", stderr: "" }) : run(argv, options),
  });
  const running = machine.run();
  await machine.settled(1);
  const hosts = await Deno.readTextFile(machine.hostsPath);
  isKilled = true;
  machine.signal("SIGTERM");
  await running;
  machine.override({ run });
  await Deno.writeTextFile(machine.hostsPath, hosts);
  assert.match(await networkState(), /local 10\.107\.0\.0\/16/);

  assert.equal(await machine.run("cleanup"), 0);
  assert.equal(await networkState(), before);
  assert.equal(await Deno.readTextFile(machine.hostsPath), HOSTS);
});
