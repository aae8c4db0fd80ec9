import assert from "node:assert/strict";
import { ownNetworks } from "../../src/network/own_networks.ts";
import { parseCidr } from "../../src/lib/ipv4.ts";

const OWN = { name: "ngrokd0", subnet: parseCidr("10.107.0.0/16")! };

function networks(...addresses: string[]): string[] {
  return ownNetworks(addresses.map((address) => ({ interface: "eth0", address })), OWN);
}

Deno.test("ownNetworks() returns IPv4 addresses and IPv6 networks in a fixed order", () => {
  const expected = ["192.168.1.7", "2001:db8:0:1", "fd00:0:0:2"];
  assert.deepEqual(networks("192.168.1.7", "2001:db8:0:1::9", "fd00:0:0:2::9"), expected);
  assert.deepEqual(networks("fd00:0:0:2::9", "2001:db8:0:1::9", "192.168.1.7"), expected);
});

Deno.test("ownNetworks() ignores a change of temporary IPv6 addresses", () => {
  const one = networks("2001:db8:0:1:a:b:c:d");
  assert.deepEqual(networks("2001:db8:0:1:1:2:3:4"), one);
  assert.deepEqual(networks("2001:db8:0:1:a:b:c:d", "2001:db8:0:1:1:2:3:4"), one);
  assert.notDeepEqual(networks("2001:db8:0:2:a:b:c:d"), one);
});

Deno.test("ownNetworks() ignores loopback, link-local addresses and the interface of ngrokd", () => {
  assert.deepEqual(networks("127.0.0.1", "127.107.0.2", "::1", "fe80::1", "febf::1", "10.107.0.2"), []);
  assert.deepEqual(networks("fec0::1"), ["fec0:0:0:0"]);
  assert.deepEqual(ownNetworks([{ interface: "ngrokd0", address: "2001:db8::1" }], OWN), []);
});

// An interface without DHCP has such an address. It once counted as another network.
Deno.test("ownNetworks() ignores link-local addresses of IPv4", () => {
  assert.deepEqual(networks("169.254.0.1", "169.254.255.254", "192.168.1.7"), ["192.168.1.7"]);
  assert.deepEqual(networks("169.253.255.254", "169.255.0.1"), ["169.253.255.254", "169.255.0.1"]);
});
