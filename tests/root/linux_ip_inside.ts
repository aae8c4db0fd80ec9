// Run by linux_ip_test.ts, as root in a network namespace of its own: whatever happens here, it ends with the namespace.
import assert from "node:assert/strict";
import { formatCidr, parseCidr } from "../../src/lib/ipv4.ts";
import { BindError } from "../../src/model/errors.ts";
import { LinuxIp } from "../../src/network/linux_ip.ts";
import { listenTcp } from "../../src/system/net.ts";
import { run } from "../../src/system/run.ts";
import { testAddressDriver } from "../contract/address_driver.ts";

const SUBNET = parseCidr("10.107.0.0/16")!;
const NAME = "ngrokd0";

function make(): LinuxIp {
  return new LinuxIp({ run, interfaceName: NAME });
}

testAddressDriver("LinuxIp", { make, subnets: ["10.107.0.0/16", "10.0.0.0/8", "192.168.9.0/24"] });

async function ip(line: string): Promise<string> {
  return (await run(["/sbin/ip", ...line.split(" ")], { timeoutMs: 5000 })).stdout;
}

/** All interfaces and all routes, as one text. */
async function machine(): Promise<string> {
  return await ip("-brief address show") + await ip("-4 route show table all");
}

/** Runs `body` with a prepared driver; afterwards the machine must be as before. */
async function withDriver(body: (driver: LinuxIp) => Promise<void>): Promise<void> {
  const before = await machine();
  const driver = make();
  assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
  try {
    await body(driver);
  } finally {
    await driver.release();
  }
  assert.equal(await machine(), before, "release() leaves the machine as it was");
}

/** A listener that answers one byte to each connection, until it is closed. */
function answerer(address: string): { port: number; closed: Promise<void>; close(): void } {
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
  const [what, harm, seen] of [
    ["deleted", `link delete ${NAME}`, /the interface ngrokd0 is missing/],
    ["brought down", `link set ${NAME} down`, /^the interface ngrokd0 is down$/],
    ["its address removed", `address delete 10.107.0.1/32 dev ${NAME}`, /the address .* is missing/],
    ["its route removed", `route delete local 10.107.0.0/16 dev ${NAME}`, /^the route .* is missing$/],
  ] as const
) {
  Deno.test(`LinuxIp: ${what} under it, the interface is restored, and open listeners work again (F32)`, async () => {
    await withDriver(async (driver) => {
      const listener = answerer("10.107.3.4");
      try {
        assert.deepEqual(await ask("10.107.3.4", listener.port), { answer: 7, source: "10.107.3.4" });
        await ip(harm);
        assert.match((await driver.findProblem())!, seen);
        // The kernel keeps local routes of an interface that is down.
        if (what !== "brought down") {
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

Deno.test("LinuxIp: a second run takes over what a crash left, and a new driver's release() removes it", async () => {
  const before = await machine();
  await make().prepare(parseCidr("10.50.0.0/16")!);
  await new LinuxIp({ run, interfaceName: "other0" }).prepare(SUBNET);
  assert.doesNotMatch(await machine(), /ngrokd0|10\.50\./);
  await make().release();
  assert.equal(await machine(), before);
});

Deno.test("LinuxIp: a foreign interface of its name is left as it is, and lo carries the route", async () => {
  await ip(`link add name ${NAME} type bridge`);
  await ip(`address add 10.9.0.1/24 dev ${NAME}`);
  try {
    await withDriver(async (driver) => {
      assert.equal(driver.linkKind, "lo");
      listenTcp({ address: "10.107.0.2", port: 0 }).close();
      assert.equal(await driver.findProblem(), undefined);
    });
    assert.match(await ip(`-4 address show dev ${NAME}`), /10\.9\.0\.1\/24/);
  } finally {
    await ip(`link delete ${NAME}`);
  }
});

Deno.test("LinuxIp: a veth with 10.107.1.1/16 makes it choose another subnet, and that network stays reachable (F33)", async () => {
  await ip("link add veth0 type veth peer name veth1");
  try {
    await ip("address add 10.107.1.1/16 dev veth0");
    await ip("link set veth0 up");
    const before = await machine();
    const driver = make();
    const { subnet, reason, remember } = await driver.prepare(SUBNET);
    assert.deepEqual([formatCidr(subnet), remember], ["10.108.0.0/16", true]);
    assert.match(reason!, /10\.108\.0\.0\/16 is used instead of 10\.107\.0\.0\/16: .* \(dev veth0\)/);
    listenTcp({ address: "10.108.0.2", port: 0 }).close();
    assert.match(await ip("route get 10.107.9.9"), /dev veth0/);
    await driver.release();
    assert.equal(await machine(), before);
  } finally {
    await ip("link delete veth0");
  }
});

Deno.test("LinuxIp: 10,000 addresses can be bound, and no further command is run for them", async () => {
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
    const made = commands;
    const addresses = Array.from({ length: 10_000 }, (_, index) => `10.107.${index >> 8}.${index & 255}`);
    assert.deepEqual(await driver.ensure(addresses), new Map());
    assert.equal(commands, made);
    for (const address of addresses.slice(2)) listenTcp({ address, port: 0 }).close();
  } finally {
    await driver.release();
  }
});
