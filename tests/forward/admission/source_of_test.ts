import assert from "node:assert/strict";
import { sourceOf } from "../../../src/forward/admission/source_of.ts";

Deno.test("sourceOf() takes a /24, or a /64 with IPv6, as one source, and this machine as none", () => {
  const local = "192.168.1.2";
  const rows: [peer: string, source: string | undefined][] = [
    ["192.168.1.66", "192.168.1.0/24"],
    ["192.168.1.67", "192.168.1.0/24"],
    ["192.168.2.66", "192.168.2.0/24"],
    ["2001:db8:0:7::1", "2001:db8:0:7::/64"],
    ["2001:db8::7:ffff:0:0:2", "2001:db8:0:7::/64"],
    [local, undefined],
    ["127.3.2.1", undefined],
    ["::1", undefined],
  ];
  for (const [peer, source] of rows) assert.equal(sourceOf({ peer, local }), source, peer);
});
