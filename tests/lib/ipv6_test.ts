import assert from "node:assert/strict";
import { ipv6Network, normalizeIpv6 } from "../../src/lib/ipv6.ts";

Deno.test("ipv6Network() returns the first half of an address, in one spelling", () => {
  for (
    const [address, network] of [
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
      ["2001:0DB8:0001:0002::1", "2001:db8:1:2"],
      ["2001:db8::1", "2001:db8:0:0"],
      ["2001:db8:1:2:3:4:5::", "2001:db8:1:2"],
      ["::", "0:0:0:0"],
      ["::1", "0:0:0:0"],
      ["fe80::1%eth0", "fe80:0:0:0"],
      ["1::2:3:4:5:6:7", "1:0:2:3"],
    ] as const
  ) assert.equal(ipv6Network(address), network, address);
});

Deno.test("ipv6Network() rejects other texts", () => {
  const other = ["", "1", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "1::2::3"];
  for (const text of [...other, "12345::", "g::", "10.0.0.1"]) {
    assert.equal(ipv6Network(text), undefined, text);
  }
});

Deno.test("normalizeIpv6() gives one spelling, with the zone, and IPv4 for a mapped address", () => {
  const rows: [text: string, address: string | undefined][] = [
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["::", "::"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["::FFFF:0a6b:1", "10.107.0.1"],
    ["fe80::1%eth0.5", "fe80::1%eth0.5"],
    ["fe80::1%2", "fe80::1%2"],
    ["fe80::1%", undefined],
    ["fe80::1%a b", undefined],
    ["fe80::1%eth0%1", undefined],
    ["192.0.2.1", undefined],
    ["2001:db8::1]:53", undefined],
    ["1:2:3", undefined],
    ["", undefined],
  ];
  for (const [text, address] of rows) assert.equal(normalizeIpv6(text), address, text);
});
