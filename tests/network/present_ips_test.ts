import assert from "node:assert/strict";
import { hasIp } from "../../src/network/present_ips.ts";

Deno.test("hasIp() is true for an address of this machine only, and not for an empty one", () => {
  const addresses = () => [{ address: "192.0.2.9" }, { address: "" }];
  const found = ["192.0.2.9", "192.0.2.1", ""].map((address) => hasIp(address, addresses));
  assert.deepEqual(found, [true, false, false]);
});
