// Run by linux_ip_test.ts, as root in a network namespace of its own, so that the real daemon can have the default subnet.
import assert from "node:assert/strict";
import type { EndpointReport } from "../../src/model/report.ts";
import { run } from "../../src/system/run.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { Neighbour } from "./neighbour.ts";

const GET = "GET / HTTP/1.1\r\nHost: api.myapp:8301\r\nConnection: close\r\n\r\n";

async function ip(line: string): Promise<string> {
  return (await run(["/sbin/ip", ...line.split(" ")], { timeoutMs: 5000 })).stdout;
}

async function get(hostname: string, port: number): Promise<string> {
  const conn = await Deno.connect({ hostname, port });
  await conn.write(new TextEncoder().encode(GET));
  return await new Response(conn.readable).text();
}

/** What a neighbour gets for an HTTP request, in characters; it connects for sure. */
async function receives(neighbour: Neighbour, address: string): Promise<number> {
  const [hostname, port] = address.split(":");
  return (await neighbour.succeeds(["nc", "-N", "-w", "5", hostname!, port!], GET)).length;
}

Deno.test("the daemon serves the default subnet to this machine, repairs it within a poll, and leaves nothing (F32)", async () => {
  await using machine = await FakeMachine.create({
    subnet: "10.107.0.0/16",
    net: "overrides: {shared.myapp: 0.0.0.0}",
  });
  await Deno.writeTextFile(machine.hostsPath, "127.0.0.1 localhost\n");
  machine.cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  machine.cloud.addEndpoint({ url: "http://shared.myapp:8302", backend: "http" });
  const before = await ip("-brief address show") + await ip("-4 route show table all");
  const running = machine.run();
  try {
    let rows: EndpointReport[] = [];
    await machine.until("both are listed", async () => {
      rows = await machine.askList();
      return rows.length === 2 && rows.every((row) => row.state === "active");
    });
    const { ip: address } = rows.find((row) => row.hostname === "api.myapp")!;
    assert.equal(address, "10.107.0.2");
    const { addresses } = await machine.askStatus();
    assert.deepEqual([addresses.driver, addresses.subnet, addresses.reason], [
      "linux_ip",
      "10.107.0.0/16",
      null,
    ]);
    assert.match(addresses.kind!, /^(dummy|bridge|lo)$/);
    assert.match(await get(address, 8301), /^HTTP\/1\.1 200 /);

    await using neighbour = await Neighbour.open({
      ours: "192.168.77.1/24",
      theirs: ["192.168.77.2/24"],
      routes: ["10.107.0.0/16 via 192.168.77.1"],
    });
    assert.equal(
      await receives(neighbour, `${address}:8301`),
      0,
      "a virtual listener serves this machine only",
    );
    assert.ok(await receives(neighbour, `${address}:8302`) > 0, "the neighbour does reach the address");
    const [row] = (await machine.askList()).filter(({ port }) => port === 8301);
    assert.equal(row!.total_connections, 1);

    await ip("link delete ngrokd0");
    await machine.until(
      "the interface and the route over it are back",
      async () => /local 10\.107\.0\.0\/16 dev ngrokd0/.test(await ip("-4 route show table local")),
    );
    assert.match(await get(address, 8301), /^HTTP\/1\.1 200 /);
    assert.match(machine.logText, /Cannot use virtual addresses: the interface ngrokd0 is missing/);
    await machine.until("it is said", () => machine.logText.includes("Restored virtual addresses"));
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0, machine.logText + machine.err.join(""));
  }
  assert.equal(await ip("-brief address show") + await ip("-4 route show table all"), before);
});

Deno.test("the daemon remembers the subnet that it chose because of a conflict (F33)", async () => {
  await using machine = await FakeMachine.create({ subnet: "10.107.0.0/16" });
  machine.cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  for (const conflict of [true, false]) {
    if (conflict) {
      await ip("link add veth0 type veth peer name veth1");
      await ip("address add 10.107.1.1/16 dev veth0");
      await ip("link set veth0 up");
    }
    const running = machine.run();
    try {
      await machine.until("it is listed", async () => {
        const [row] = await machine.askList();
        return row?.listen_address === "10.108.0.2:8301" && row.state === "active";
      });
      assert.match((await machine.askStatus()).addresses.reason!, /^10\.108\.0\.0\/16 is used instead of/);
    } finally {
      machine.signal("SIGTERM");
      assert.equal(await running, 0, machine.logText + machine.err.join(""));
    }
    if (conflict) await ip("link delete veth0");
  }
});

Deno.test("cleanup removes the interface and the route that a killed daemon left, and the names", async () => {
  await using machine = await FakeMachine.create({ subnet: "10.107.0.0/16" });
  await Deno.writeTextFile(machine.hostsPath, "127.0.0.1 localhost\n");
  const before = await ip("-brief address show") + await ip("-4 route show table all");
  machine.cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  const released = machine.system.run;
  let dead = false;
  // A daemon that was killed runs no command at its end, and withdraws no name.
  machine.override({
    run: (argv, options) => dead ? Promise.resolve({ stdout: "[]", stderr: "" }) : released(argv, options),
  });
  const running = machine.run();
  await machine.until(
    "it is listed",
    async () => (await machine.askList()).length === 1,
  );
  const section = await Deno.readTextFile(machine.hostsPath);
  dead = true;
  machine.signal("SIGTERM");
  await running;
  machine.override({ run: released });
  await Deno.writeTextFile(machine.hostsPath, section);
  assert.match(await ip("-4 route show table local"), /local 10\.107\.0\.0\/16/);

  assert.equal(await machine.run("cleanup"), 0);
  assert.equal(await ip("-brief address show") + await ip("-4 route show table all"), before);
  assert.equal(await Deno.readTextFile(machine.hostsPath), "127.0.0.1 localhost\n");
});
