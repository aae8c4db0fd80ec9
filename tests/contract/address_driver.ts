import assert from "node:assert/strict";
import { type Cidr, cidrContains, formatIpv4, parseCidr, parseIpv4 } from "../../src/lib/ipv4.ts";
import type { AddressDriver } from "../../src/network/driver.ts";
import { listenTcp } from "../../src/system/tcp.ts";

/** A driver and the subnets to try it with. */
export interface DriverCase {
  make(): AddressDriver;
  /** `a.b.c.d/n` each. */
  readonly subnets: readonly string[];
}

/** The tests that every address driver must pass; they bind real listeners. */
export function testAddressDriver(what: string, { make, subnets }: DriverCase): void {
  for (const text of subnets) {
    const asked = parseCidr(text)!;
    const test = (name: string, body: (driver: AddressDriver) => Promise<void>) =>
      Deno.test(`${what}: ${name} (${text})`, async () => {
        const driver = make();
        try {
          await body(driver);
        } finally {
          await driver.release();
        }
      });

    test("every ensured address can be bound", async (driver) => {
      assert.deepEqual(driver.supported(), { supported: true });
      const { subnet, reason } = await driver.prepare(asked);
      const isAsked = subnet.base === asked.base && subnet.prefix === asked.prefix;
      assert.equal(reason === undefined, isAsked, "only another subnet has a reason");
      assert.equal(await driver.findProblem(), undefined);
      const addresses = [2, 3, 250].map((offset) => formatIpv4(subnet.base + offset));
      for (const some of [addresses, addresses.slice(1)]) {
        assert.deepEqual(await driver.ensure(some), new Map());
        for (const address of some) listenTcp({ address, port: 0 }).close();
      }
    });

    test("a bad address does not affect the others", async (driver) => {
      const { subnet } = await driver.prepare(asked);
      const good = formatIpv4(subnet.base + 2);
      const foreign = outside(subnet);
      const failures = await driver.ensure([foreign, good, "not an address"]);
      assert.deepEqual([...failures.keys()].sort(), [foreign, "not an address"].sort());
      for (const reason of failures.values()) assert.ok(reason.length > 0);
      listenTcp({ address: good, port: 0 }).close();
    });

    test("prepare() and release() can be repeated", async (driver) => {
      await driver.release();
      const first = await driver.prepare(asked);
      assert.deepEqual(await driver.prepare(asked), first);
      await driver.release();
      await driver.release();
      assert.deepEqual(await driver.prepare(asked), first);
      assert.equal(await driver.findProblem(), undefined);
    });
  }
}

function outside(subnet: Cidr): string {
  const found = ["198.51.100.7", "127.200.0.2"].find((address) => !cidrContains(subnet, parseIpv4(address)!));
  assert.ok(found);
  return found;
}
