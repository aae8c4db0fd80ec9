import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { BindError, type BindFailure } from "../../src/model/errors.ts";
import { ExistingSubnet } from "../../src/network/existing_subnet.ts";

const SUBNET = parseCidr("10.107.0.0/16")!;
const MIDDLE = "10.107.128.0";
const NOBODYS = "192.0.2.1";

/** A driver on a machine where these addresses cannot be bound. */
function driverOf(failures: Readonly<Record<string, BindFailure>>): ExistingSubnet {
  return new ExistingSubnet({
    listen({ address }) {
      const reason = failures[address] ?? failures.all;
      if (reason !== undefined) throw new BindError(`${address}: ${reason}`, { address, reason });
      return { close() {} };
    },
  });
}

// A lack of descriptors was reported as a setting of this machine.
Deno.test("ExistingSubnet tells a machine without the subnet from one without descriptors", async () => {
  const cases: [failures: Readonly<Record<string, BindFailure>>, failure?: RegExp, problem?: RegExp][] = [
    [{ [NOBODYS]: "not_available" }],
    [{}, /ip_nonlocal_bind/, /ip_nonlocal_bind/],
    [{ all: "not_available" }, /^10\.107\.0\.2: not/, /^10\.107\.0\.2: not/],
    [{ [MIDDLE]: "denied", [NOBODYS]: "not_available" }, /128\.0: denied/, /128\.0: denied/],
    // A doubt is enough not to choose the subnet, and too little to give it up.
    [{ all: "exhausted" }, /^10\.107\.0\.2: exhausted/],
    [{ [MIDDLE]: "exhausted", [NOBODYS]: "not_available" }, /128\.0: exhausted/],
    [{ [NOBODYS]: "exhausted" }, /^192\.0\.2\.1: exhausted/],
  ];
  for (const [failures, failure, problem] of cases) {
    const driver = driverOf(failures);
    const prepared = await driver.prepare(SUBNET);
    const found = await driver.findProblem();
    assert.match(prepared.failure ?? "", failure ?? /^$/, JSON.stringify(failures));
    assert.match(found ?? "", problem ?? /^$/, JSON.stringify(failures));
  }
});
