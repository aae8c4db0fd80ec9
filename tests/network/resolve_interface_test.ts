import assert from "node:assert/strict";
import { resolveInterface } from "../../src/network/resolve_interface.ts";

Deno.test("resolveInterface() returns an address, or the first address of an interface", () => {
  const addresses = () => [
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

// Each of 10,000 endpoints on 0.0.0.0 once read all interfaces.
Deno.test("resolveInterface() reads no interfaces for an address", () => {
  const address = resolveInterface("0.0.0.0", () => {
    throw new Error("Cannot read the interfaces");
  });
  assert.equal(address, "0.0.0.0");
});
