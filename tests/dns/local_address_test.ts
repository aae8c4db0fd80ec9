import assert from "node:assert/strict";
import { localAddressText } from "../../src/dns/local_address.ts";
import { parseCidr, parseIpv4 } from "../../src/lib/ipv4.ts";

const OWN = { subnet: parseCidr("10.107.0.0/16")!, listeners: new Set([parseIpv4("192.168.1.5")!]) };

function text(address: string): string | undefined {
  const bytes = address.includes(".")
    ? new Uint8Array(address.split(".").map(Number))
    : Uint8Array.fromHex(address.split(":").map((group) => group.padStart(4, "0")).join(""));
  return localAddressText(bytes, OWN);
}

Deno.test("localAddressText() finds every way to this machine, its link and ngrokd (R80)", () => {
  for (
    const address of [
      ...["127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3", "169.254.169.254"],
      ...["10.107.0.1", "10.107.255.255", "192.168.1.5"],
    ]
  ) assert.equal(text(address), address);
  const ipv6 = {
    "0:0:0:0:0:0:0:1": "::1",
    "0:0:0:0:0:0:0:0": "::",
    "fe80:0:0:0:0:0:0:1": "fe80::1",
    "febf:0:0:0:0:0:0:1": "febf::1",
    "0:0:0:0:0:ffff:7f00:1": "::ffff:7f00:1",
    "0:0:0:0:0:ffff:c0a8:105": "::ffff:c0a8:105",
    "0:0:0:0:0:0:a6b:1": "::a6b:1",
    "64:ff9b:0:0:0:0:a9fe:a9fe": "64:ff9b::a9fe:a9fe",
  };
  for (const [address, short] of Object.entries(ipv6)) assert.equal(text(address), short);
  for (
    const address of [
      ...["192.168.1.6", "10.108.0.1", "192.0.2.1", "128.0.0.1", "2001:db8:0:0:0:0:0:1"],
      ...["fec0:0:0:0:0:0:0:1", "fd00:0:0:0:0:0:0:1", "0:0:0:0:0:ffff:c000:201", "64:ff9b:1:0:0:0:7f00:1"],
    ]
  ) assert.equal(text(address), undefined);
});
