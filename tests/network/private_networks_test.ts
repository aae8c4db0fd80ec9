import assert from "node:assert/strict";
import { formatCidr } from "../../src/lib/ipv4.ts";
import { privateNetworks } from "../../src/network/private_networks.ts";

Deno.test("privateNetworks() returns private networks of interfaces, and no public or wider one", () => {
  const cidrs = [
    "172.17.0.1/16",
    "192.168.1.7/24",
    "100.64.3.9/30",
    "203.0.113.5/24",
    "10.0.0.1/7",
    "127.0.0.1/8",
    "169.254.1.1/16",
    "fd00::1/64",
    "",
  ];
  const addresses = cidrs.map((cidr) => ({ interface: "eth0", address: cidr.split("/")[0]!, cidr }));
  assert.deepEqual(
    privateNetworks([...addresses, { interface: "eth1", address: "10.9.9.9" }]).map(formatCidr),
    ["172.17.0.0/16", "192.168.1.0/24", "100.64.3.8/30"],
  );
});
