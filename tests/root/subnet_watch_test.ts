import assert from "node:assert/strict";
import { run } from "../../src/system/run.ts";
import { dial, get } from "../e2e/client.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { networkState, shell } from "./commands.ts";
import { Lan } from "./lan.ts";
import { rootTests } from "./test_root.ts";

const SUBNET = "10.107.0.0/16";
const NAME = "api.myapp";

const test = rootTests(import.meta.url);

/** A VPN with routes of its own, which is gone at the end. */
async function openVpn(...lines: readonly string[]): Promise<AsyncDisposable> {
  const lan = new Lan();
  await lan.create(lan.cidr(1));
  for (const line of lines) await shell(`/sbin/ip ${line.replace("VPN", `via ${lan.address(2)}`)}`);
  return { [Symbol.asyncDispose]: () => lan.delete() };
}

/** Runs a daemon with one endpoint in 10.107.0.0/16, and demands that it leaves nothing. */
async function whileServing(body: (machine: FakeMachine) => Promise<void>): Promise<void> {
  const before = await networkState();
  await using machine = await FakeMachine.create({ subnet: SUBNET });
  machine.cloud.addEndpoint({ url: `http://${NAME}:8301`, backend: "http" });
  const running = machine.run();
  try {
    await isAt(machine, "10.107.0.2");
    await body(machine);
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0, machine.logText + machine.err.join(""));
  }
  assert.equal(await networkState(), before);
}

/** Waits until the endpoint is served at an address, and its name leads there. */
async function isAt(machine: FakeMachine, address: string): Promise<void> {
  await machine.until(`the endpoint is at ${address}`, async () => {
    const [row] = await machine.askList();
    return row?.ip === address && row.state === "active";
  });
  assert.equal((await get(`${address}:8301`, `${NAME}:8301`)).status, 200);
  assert.match(await Deno.readTextFile(machine.hostsPath), new RegExp(`^${address}\\t`, "m"));
}

/** Waits for the reason that status gives for the addresses. */
async function overlap(machine: FakeMachine): Promise<string> {
  let reason: string | null = null;
  await machine.until("status has a reason", async () => {
    ({ reason } = (await machine.askStatus()).addresses);
    return reason !== null;
  });
  return reason!;
}

test("status warns of a VPN that comes while a client is connected, until rebind moves (R103)", () =>
  whileServing(async (machine) => {
    using client = await dial("10.107.0.2:8301");
    {
      await using _vpn = await openVpn("route add 10.0.0.0/8 VPN", "route add 10.107.9.0/24 VPN");
      const reason = await overlap(machine);
      const [hidden, taken] = reason.split("; ");
      assert.match(hidden!, /cannot reach the hosts of 10\.0\.0\.0\/8 \(dev lan1\) that have addresses/);
      assert.match(
        taken!,
        /do not all reach ngrokd, because of the route to 10\.107\.9\.0\/24 \(dev lan1\)$/,
      );
      assert.match(await shell("/sbin/ip route get 10.107.8.9"), /^local /);
      assert.match(await shell("/sbin/ip route get 10.107.9.9"), /dev lan1 /);
      assert.equal((await get("10.107.0.2:8301", `${NAME}:8301`)).status, 200);
      const { addresses } = await machine.askStatus();
      assert.equal(addresses.subnet, SUBNET);
      assert.match(addresses.hint!, /: ngrokctl rebind$/);
      const health = await fetch(`http://127.0.0.1:${machine.healthPort}/status`);
      assert.ok((await health.json()).reasons.includes(`Addresses: ${reason}`));

      assert.equal(
        await machine.ask("rebind"),
        "Moved the virtual addresses from 10.107.0.0/16 to 172.16.0.0/16; 1 connection was ended",
      );
      assert.equal(await client.read(new Uint8Array(1)).catch(() => null), null);
      await isAt(machine, "172.16.0.2");
      assert.match(await shell("/sbin/ip route get 10.107.8.9"), /dev lan1 /);
      assert.equal((await machine.askStatus()).addresses.hint, null);
    }
    assert.match(
      String(await machine.ask("rebind")),
      /from 172\.16\.0\.0\/16 to 10\.107\.0\.0\/16; 0 connections/,
    );
    await isAt(machine, "10.107.0.2");
    assert.match(String(await machine.ask("rebind")), /stay in 10\.107\.0\.0\/16: no other network overlaps/);
    assert.equal(machine.log.filter((line) => line.includes("overlap with another network")).length, 1);
  }));

/** Connects again and again until the signal aborts; returns the end of each connection. */
async function connectInLoop(port: number, signal: AbortSignal): Promise<Promise<unknown>[]> {
  const ends: Promise<unknown>[] = [];
  while (!signal.aborted) {
    try {
      const conn = await Deno.connect({ hostname: "10.107.0.2", port, signal });
      ends.push(conn.read(new Uint8Array(1)).catch(() => null).finally(() => conn.close()));
    } catch {
      // Refused while nobody listens; with the VPN's route an attempt waits until it is aborted.
    }
  }
  return ends;
}

test("rebind fails with the reason if ngrokd cannot read the rules of this machine", async () => {
  await using machine = await FakeMachine.create({ subnet: SUBNET });
  machine.cloud.addEndpoint({ url: `http://${NAME}:8301`, backend: "http" });
  let isBroken = false;
  machine.override({
    run: (argv, options) => run(isBroken && argv.includes("rule") ? ["/sbin/ip", "unknown"] : argv, options),
  });
  const running = machine.run();
  try {
    await machine.settled(1);
    assert.match(String(await machine.ask("rebind")), /no other network overlaps/);
    isBroken = true;
    const { success, error, hint } = await machine.request("rebind");
    assert.equal(success, false);
    assert.match(error!, /^Cannot move the virtual addresses: Cannot run .*unknown/);
    assert.match(hint!, /: ngrokctl rebind$/);
    assert.match((await machine.askStatus()).addresses.reason!, /^Cannot look for overlapping networks: /);
  } finally {
    isBroken = false;
    machine.signal("SIGTERM");
    assert.equal(await running, 0, machine.logText + machine.err.join(""));
  }
});

// Whoever connected after the connections were ended, and before the route moved, hung for minutes.
test("no client hangs that connects in a loop during rebind (R104)", () =>
  whileServing(async (machine) => {
    using _client = await dial("10.107.0.2:8301");
    await using _vpn = await openVpn("route add 10.0.0.0/8 VPN");
    await overlap(machine);
    const over = new AbortController();
    const connecting = [1, 2, 3, 4].map(() => connectInLoop(8301, over.signal));
    assert.match(String(await machine.ask("rebind")), /to 172\.16\.0\.0\/16; [0-9]+ connections/);
    over.abort();
    const ends = (await Promise.all(connecting)).flat();
    assert.ok(ends.length > 0);
    let open = ends.length;
    for (const end of ends) void end.then(() => open--);
    await machine.until("each connection has ended", () => open === 0);
    await isAt(machine, "172.16.0.2");
  }));

test("a VPN with a routing table of its own makes ngrokd move if nobody is connected (R104)", async () => {
  const before = await networkState();
  await using machine = await FakeMachine.create({ subnet: SUBNET });
  machine.cloud.addEndpoint({ url: `http://${NAME}:8301`, backend: "http" });
  const running = machine.run();
  try {
    await machine.settled(1);
    await using _vpn = await openVpn("route add 10.107.9.0/24 VPN table 52", "rule add pref 5270 lookup 52");
    try {
      await isAt(machine, "10.108.0.2");
      await machine.untilLogged("Moved the virtual addresses from 10.107.0.0/16 to 10.108.0.0/16");
      assert.match(await overlap(machine), /^10\.108\.0\.0\/16 is used instead of 10\.107\.0\.0\/16: /);
    } finally {
      await shell("/sbin/ip rule delete pref 5270");
    }
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0, machine.logText + machine.err.join(""));
  }
  assert.equal(await networkState(), before);
});
