// Run by linux_ip_test.ts, as root in namespaces of its own.
import assert from "node:assert/strict";
import { formatCidr, parseCidr } from "../../src/lib/ipv4.ts";
import { BindError } from "../../src/model/errors.ts";
import { LinuxIp } from "../../src/network/linux_ip.ts";
import { run } from "../../src/system/run.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { testAddressDriver } from "../contract/address_driver.ts";
import { networkState, shell } from "./commands.ts";
import { Lan } from "./lan.ts";

const SUBNET = parseCidr("10.107.0.0/16")!;
const NAME = "ngrokd0";

function make(): LinuxIp {
  return new LinuxIp({ run, interfaceName: NAME });
}

testAddressDriver("LinuxIp", { make, subnets: ["10.107.0.0/16", "10.0.0.0/8", "192.168.9.0/24"] });

/** Runs `body` with a prepared driver, and demands that the network is as before afterwards. */
async function withDriver(body: (driver: LinuxIp) => Promise<void>, driver = make()): Promise<void> {
  const before = await networkState();
  assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
  try {
    await body(driver);
  } finally {
    await driver.release();
  }
  assert.equal(await networkState(), before, "release() restores the network");
}

/** A listener that sends one byte to each connection. */
function serveByte(address: string): { port: number; closed: Promise<void>; close(): void } {
  const listener = Deno.listen({ hostname: address, port: 0 });
  const closed = (async () => {
    for await (const conn of listener) {
      await conn.write(new Uint8Array([7]));
      conn.close();
    }
  })();
  return { port: listener.addr.port, closed, close: () => listener.close() };
}

async function ask(hostname: string, port: number): Promise<{ answer: number | null; source: string }> {
  using conn = await Deno.connect({ hostname, port });
  const source = conn.localAddr.hostname;
  const buffer = new Uint8Array(1);
  return { answer: await conn.read(buffer) === null ? null : buffer[0]!, source };
}

for (
  const [damage, change, problem] of [
    ["the interface is deleted", `link delete ${NAME}`, /the interface ngrokd0 is missing/],
    ["the interface is down", `link set ${NAME} down`, /^the interface ngrokd0 is down$/],
    ["the address is deleted", `address delete 10.107.0.1/32 dev ${NAME}`, /the address .* is missing/],
    ["the route is deleted", `route delete local 10.107.0.0/16 dev ${NAME}`, /^the route .* is missing$/],
  ] as const
) {
  Deno.test(`LinuxIp: prepare() repairs it if ${damage}, and open listeners work again (F32)`, async () => {
    await withDriver(async (driver) => {
      const listener = serveByte("10.107.3.4");
      try {
        assert.deepEqual(await ask("10.107.3.4", listener.port), { answer: 7, source: "10.107.3.4" });
        await shell(`/sbin/ip ${change}`);
        assert.match((await driver.findProblem())!, problem);
        // The kernel keeps local routes of an interface that is down.
        if (damage !== "the interface is down") {
          assert.throws(() => listenTcp({ address: "10.107.3.5", port: 0 }), BindError);
        }
        assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
        assert.equal(await driver.findProblem(), undefined);
        assert.equal((await ask("10.107.3.4", listener.port)).answer, 7);
        listenTcp({ address: "10.107.3.5", port: 0 }).close();
      } finally {
        listener.close();
        await listener.closed;
      }
    });
  });
}

Deno.test("LinuxIp: a second run takes over the leftovers of a crash, and release() removes them", async () => {
  const before = await networkState();
  // An earlier version made bridges.
  await shell(`/sbin/ip link add name ${NAME} address 02:6e:67:72:6f:6b type bridge`);
  await make().prepare(parseCidr("10.50.0.0/16")!);
  await new LinuxIp({ run, interfaceName: "other0" }).prepare(SUBNET);
  assert.doesNotMatch(await networkState(), /ngrokd0|10\.50\./);
  await make().release();
  assert.equal(await networkState(), before);
});

Deno.test("LinuxIp: a foreign interface with its name stays as it is, and lo carries the route", async () => {
  await shell(`/sbin/ip link add name ${NAME} type bridge`);
  await shell(`/sbin/ip address add 10.9.0.1/24 dev ${NAME}`);
  try {
    await withDriver(async (driver) => {
      assert.equal(driver.linkKind, "lo");
      listenTcp({ address: "10.107.0.2", port: 0 }).close();
      assert.equal(await driver.findProblem(), undefined);
    });
    assert.match(await shell(`/sbin/ip -4 address show dev ${NAME}`), /10\.9\.0\.1\/24/);
  } finally {
    await shell(`/sbin/ip link delete ${NAME}`);
  }
});

Deno.test("LinuxIp: an interface in its subnet makes it choose another one, and stays reachable (F33)", async () => {
  const lan = new Lan();
  await lan.create("10.107.1.1/16");
  try {
    const before = await networkState();
    const driver = make();
    const { subnet, reason, remember } = await driver.prepare(SUBNET);
    assert.deepEqual([formatCidr(subnet), remember], ["10.108.0.0/16", true]);
    assert.match(reason!, /10\.108\.0\.0\/16 is used instead of 10\.107\.0\.0\/16: .* \(dev lan1\)/);
    listenTcp({ address: "10.108.0.2", port: 0 }).close();
    assert.match(await shell("/sbin/ip route get 10.107.9.9"), /dev lan1/);
    await driver.release();
    assert.equal(await networkState(), before);
  } finally {
    await lan.delete();
  }
});

Deno.test("LinuxIp: every interface that it creates has a carrier, also with the longest name", async () => {
  const before = await networkState();
  const driver = new LinuxIp({ run, interfaceName: "ngrokd-long-nam" });
  await driver.prepare(SUBNET);
  const [link] = JSON.parse(await shell("/sbin/ip -json link show dev ngrokd-long-nam"));
  assert.ok(link.flags.includes("LOWER_UP"), JSON.stringify(link));
  // With an IPv6 address the kernel would send router solicitations.
  assert.doesNotMatch(await shell("/sbin/ip address show"), /ngrokd[^]*inet6/);
  // systemd-resolved uses an interface in these states only.
  assert.match(link.operstate, /^(UNKNOWN|UP)$/);
  await driver.release();
  assert.equal(await networkState(), before);
});

Deno.test("LinuxIp: prepare() makes the pair again if its other end is renamed and down", async () => {
  const withoutDummies = new LinuxIp({
    interfaceName: NAME,
    run: (argv, options) => run(argv.includes("dummy") ? ["/sbin/ip", "unknown"] : argv, options),
  });
  await withDriver(async (driver) => {
    assert.equal(driver.linkKind, "veth");
    await shell("/sbin/ip link set ngrokd0-peer down && /sbin/ip link set ngrokd0-peer name lost0");
    assert.match((await driver.findProblem())!, /interface ngrokd0 is left over/);
    assert.equal(await driver.restore(), true);
    assert.equal(await driver.findProblem(), undefined);
    assert.match(await shell("/sbin/ip link show dev ngrokd0"), /LOWER_UP/);
  }, withoutDummies);
});

Deno.test("LinuxIp: a bridge with its interface as a port stays", async () => {
  await shell("/sbin/ip link add br0 type bridge");
  try {
    await withDriver(async (driver) => {
      await shell(`/sbin/ip link set ${NAME} master br0`);
      assert.match(await shell("/sbin/ip link show dev br0"), /02:6e:67:72:6f:6b/);
      assert.equal(await driver.findProblem(), undefined);
      assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
      await shell(`/sbin/ip link show dev br0`);
      await shell(`/sbin/ip link set ${NAME} nomaster; /sbin/ip link set br0 address 06:00:00:00:00:01`);
    });
  } finally {
    await shell("/sbin/ip link delete br0");
  }
});

Deno.test("LinuxIp: 10,000 addresses can be bound, and no command is run for them", async () => {
  let commands = 0;
  const driver = new LinuxIp({
    interfaceName: NAME,
    run: (argv, options) => {
      commands++;
      return run(argv, options);
    },
  });
  await driver.prepare(SUBNET);
  try {
    const before = commands;
    const addresses = Array.from({ length: 10_000 }, (_, index) => `10.107.${index >> 8}.${index & 255}`);
    assert.deepEqual(await driver.ensure(addresses), new Map());
    assert.equal(commands, before);
    for (const address of addresses.slice(2)) listenTcp({ address, port: 0 }).close();
  } finally {
    await driver.release();
  }
});
