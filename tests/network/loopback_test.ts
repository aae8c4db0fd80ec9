import assert from "node:assert/strict";
import { formatCidr, parseCidr } from "../../src/lib/ipv4.ts";
import { BindError } from "../../src/model/errors.ts";
import { Loopback, type LoopbackOptions } from "../../src/network/loopback.ts";
import { listenTcp } from "../../src/system/tcp.ts";

/** A system with only these addresses. */
function systemWith(addresses: readonly string[]): LoopbackOptions & { readonly tried: string[] } {
  const tried: string[] = [];
  return {
    tried,
    listen({ address }) {
      tried.push(address);
      if (addresses.includes(address)) return { close() {} };
      throw new BindError(`Cannot bind ${address}:0: this machine does not have the address`, {
        address,
        reason: "not_available",
      });
    },
  };
}

Deno.test("Loopback maps any other subnet into 127.0.0.0/8 by its second octet, with a reason", async () => {
  const cases = [
    ["127.0.0.0/8", "127.0.0.0/8"],
    ["127.5.0.0/16", "127.5.0.0/16"],
    ["127.0.0.1/32", "127.0.0.1/32"],
    ["10.107.0.0/16", "127.107.0.0/16"],
    ["10.107.3.0/24", "127.107.0.0/16"],
    ["192.168.0.0/16", "127.168.0.0/16"],
    ["255.255.0.0/16", "127.255.0.0/16"],
    ["10.0.0.0/8", "127.10.0.0/16"],
    ["126.0.0.0/7", "127.126.0.0/16"],
  ];
  for (const [asked, used] of cases) {
    const prepared = await new Loopback({ listen: listenTcp }).prepare(parseCidr(asked!)!);
    assert.equal(formatCidr(prepared.subnet), used);
    assert.equal(
      prepared.reason,
      asked === used
        ? undefined
        : `${used} is used instead of ${asked}: only loopback addresses are available`,
    );
  }
});

Deno.test("Loopback is not supported if only 127.0.0.1 exists, with a reason", () => {
  const system = systemWith(["127.0.0.1"]);
  assert.deepEqual(new Loopback(system).supported(), {
    supported: false,
    reason:
      "Cannot use loopback addresses other than 127.0.0.1: Cannot bind 127.0.0.2:0: this machine does not have the address",
  });
  assert.deepEqual(new Loopback(systemWith(["127.0.0.2"])).supported(), { supported: true });
});

Deno.test("Loopback finds a problem by binding an address of the prepared subnet", async () => {
  const system = systemWith(["127.0.0.1"]);
  const driver = new Loopback(system);
  await driver.prepare(parseCidr("10.107.0.0/16")!);
  assert.equal(
    await driver.findProblem(),
    "Cannot bind 127.107.0.2:0: this machine does not have the address",
  );
  await driver.prepare(parseCidr("127.0.0.1/32")!);
  assert.equal(await driver.findProblem(), undefined);
  assert.deepEqual(system.tried, ["127.107.0.2", "127.0.0.1"]);
});

Deno.test("Loopback refuses an address outside its subnet", async () => {
  const driver = new Loopback({ listen: listenTcp });
  await driver.prepare(parseCidr("10.107.0.0/16")!);
  const failures = await driver.ensure(["127.107.0.2", "10.107.0.2"]);
  assert.deepEqual(failures, new Map([["10.107.0.2", "10.107.0.2 is not in 127.107.0.0/16"]]));
});

Deno.test("Loopback lets a bug of the listener through", async () => {
  const driver = new Loopback({
    listen() {
      throw new TypeError("bug");
    },
  });
  assert.throws(() => driver.supported(), TypeError);
  await assert.rejects(async () => await driver.findProblem(), TypeError);
});

Deno.test("Loopback does not confuse a lack of descriptors or ports with a lack of addresses", async () => {
  for (const reason of ["exhausted", "in_use", "other"] as const) {
    const driver = new Loopback({
      listen({ address }) {
        throw new BindError(`Cannot bind ${address}:0: no file descriptor is left`, { address, reason });
      },
    });
    assert.deepEqual(driver.supported(), { supported: true }, reason);
    assert.equal(await driver.findProblem(), undefined, reason);
  }
});
