import assert from "node:assert/strict";
import { type Cidr, cidrContains, formatIpv4, parseCidr, parseIpv4 } from "../../src/lib/ipv4.ts";
import type { AddressDriver } from "../../src/network/driver.ts";
import { listenTcp } from "../../src/system/net.ts";

/** What the suite needs to know of the machine that it runs on. */
export interface DriverCase {
  make(): AddressDriver;
  /** Subnets, `a.b.c.d/n`, that the driver is asked for. */
  readonly subnets: readonly string[];
}

/** The tests that every address driver must pass; real listeners are bound. */
export function testAddressDriver(what: string, { make, subnets }: DriverCase): void {
  for (const text of subnets) {
    const asked = parseCidr(text)!;

    Deno.test(`${what}: every ensured address of ${text} can be bound`, async () => {
      const driver = make();
      assert.deepEqual(driver.supported(), { supported: true });
      const { subnet, reason } = await driver.prepare(asked);
      try {
        const isAsked = subnet.base === asked.base && subnet.prefix === asked.prefix;
        assert.equal(reason === undefined, isAsked, "another subnet has a reason, the same has none");
        assert.equal(await driver.observe(), undefined);
        const addresses = [2, 3, 250].map((offset) => formatIpv4(subnet.base + offset));
        assert.deepEqual(await driver.ensure(addresses), new Map());
        for (const address of addresses) listenTcp({ address, port: 0 }).close();
        assert.deepEqual(await driver.ensure(addresses.slice(1)), new Map(), "fewer are as good");
        for (const address of addresses.slice(1)) listenTcp({ address, port: 0 }).close();
      } finally {
        await driver.release();
      }
    });

    Deno.test(`${what}: one bad address of ${text} does not spoil the others`, async () => {
      const driver = make();
      const { subnet } = await driver.prepare(asked);
      try {
        const good = formatIpv4(subnet.base + 2);
        const foreign = outside(subnet);
        const failures = await driver.ensure([foreign, good, "not an address"]);
        assert.deepEqual([...failures.keys()].sort(), [foreign, "not an address"].sort());
        for (const reason of failures.values()) assert.ok(reason.length > 0);
        listenTcp({ address: good, port: 0 }).close();
      } finally {
        await driver.release();
      }
    });

    Deno.test(`${what}: prepare() and release() of ${text} can be repeated`, async () => {
      const driver = make();
      await driver.release();
      const first = await driver.prepare(asked);
      assert.deepEqual(await driver.prepare(asked), first);
      await driver.release();
      await driver.release();
      assert.deepEqual(await driver.prepare(asked), first);
      assert.equal(await driver.observe(), undefined);
      await driver.release();
    });
  }
}

function outside(subnet: Cidr): string {
  const found = ["198.51.100.7", "127.200.0.2"].find((address) => !cidrContains(subnet, parseIpv4(address)!));
  assert.ok(found);
  return found;
}
