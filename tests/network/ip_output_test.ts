import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { parseLinks, parseRoutes } from "../../src/network/ip_output.ts";

// The output of iproute2 6.1 without the fields that are always the same.
const LINKS = JSON.stringify([
  {
    ifindex: 1,
    ifname: "lo",
    flags: ["LOOPBACK", "UP", "LOWER_UP"],
    address: "00:00:00:00:00:00",
    addr_info: [
      { family: "inet", local: "127.0.0.1", prefixlen: 8, scope: "host" },
      { family: "inet6", local: "::1", prefixlen: 128, scope: "host" },
    ],
  },
  {},
  { ifindex: 2, ifname: "tun0", flags: ["POINTOPOINT"], master: "br0", link_type: "none", addr_info: [{}] },
  {
    ifindex: 3,
    ifname: "ngrokd0",
    flags: ["NO-CARRIER", "BROADCAST", "MULTICAST", "UP"],
    address: "02:6E:67:72:6f:6b",
    linkinfo: { info_kind: "bridge", info_data: { forward_delay: 1500 } },
    addr_info: [{ family: "inet", local: "10.107.0.1", prefixlen: 32, scope: "host" }],
  },
]);

Deno.test("parseLinks() reads names, kinds, states, bridges and IPv4 addresses", () => {
  assert.deepEqual(parseLinks(LINKS), [
    {
      name: "lo",
      mac: "00:00:00:00:00:00",
      kind: "",
      up: true,
      hasCarrier: true,
      master: "",
      addresses: ["127.0.0.1/8"],
    },
    { name: "tun0", mac: "", kind: "", up: false, hasCarrier: false, master: "br0", addresses: [] },
    {
      name: "ngrokd0",
      mac: "02:6e:67:72:6f:6b",
      kind: "bridge",
      up: true,
      hasCarrier: false,
      master: "",
      addresses: ["10.107.0.1/32"],
    },
  ]);
});

Deno.test("parseRoutes() reads networks and hosts of every kind, without default routes", () => {
  const text = JSON.stringify([
    { dst: "default", gateway: "192.0.2.1", dev: "eth0" },
    { dst: "0.0.0.0/0", dev: "eth0" },
    { dst: "10.9.0.0/16", nexthops: [{ dev: "eth0" }, { dev: "eth1" }] },
    { type: "blackhole", dst: "10.8.0.0/26" },
    { type: "local", dst: "10.107.0.1", dev: "ngrokd0", table: "local" },
    {},
  ]);
  assert.deepEqual(parseRoutes(text), [
    { to: parseCidr("10.9.0.0/16"), dev: "" },
    { to: parseCidr("10.8.0.0/26"), dev: "" },
    { to: parseCidr("10.107.0.1/32"), dev: "ngrokd0" },
  ]);
});

Deno.test("parseLinks() and parseRoutes() read an empty output as none, and reject garbage", () => {
  for (const parse of [parseLinks, parseRoutes]) {
    assert.deepEqual(parse(""), []);
    assert.deepEqual(parse("[]\n"), []);
    for (const text of ["garbage", "[", "{}", "[1]", '[{"ifname": 7, "dst": 7}]', "null"]) {
      assert.throws(() => parse(text), SyntaxError, text);
    }
  }
});
