import assert from "node:assert/strict";
import { resolveInterface } from "../../src/network/resolve_interface.ts";

Deno.test("resolveInterface() returns an address, or the first address of an interface", () => {
  const addresses = [
    { interface: "lo", address: "127.0.0.1" },
    { interface: "eth0", address: "127.5.0.1" },
    { interface: "eth0", address: "192.0.2.7" },
    { interface: "eth0", address: "192.0.2.8" },
  ];
  assert.equal(resolveInterface("0.0.0.0", addresses), "0.0.0.0");
  assert.equal(resolveInterface("eth0", addresses), "192.0.2.7");
  assert.equal(resolveInterface("lo", addresses), "127.0.0.1");
  assert.equal(resolveInterface("eth1", addresses), undefined);
});
