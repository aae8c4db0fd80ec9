import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { admitPeer, isLocalPeer } from "../../src/network/admit_peer.ts";

const LOCAL = {
  virtual: [parseCidr("10.107.0.0/16")!, parseCidr("10.20.0.0/16")!],
  isOwn: (address: string) => address === "192.0.2.2",
};

Deno.test("isLocalPeer() is true for own, loopback and virtual addresses", () => {
  for (const peer of ["192.0.2.2", "127.9.9.9", "10.107.200.1", "10.20.0.1"]) {
    assert.ok(isLocalPeer(peer, LOCAL), peer);
  }
  for (const peer of ["192.0.2.3", "10.108.0.1", "::1", "", "127.9.9"]) {
    assert.ok(!isLocalPeer(peer, LOCAL), peer);
  }
});

Deno.test("admitPeer() admits this machine always, and allowed networks where something is shared", () => {
  const allowed = [parseCidr("192.168.0.0/16")!];
  const cases: [peer: string, alone: boolean, shared: boolean][] = [
    ["192.168.1.1", false, true],
    ["8.8.8.8", false, false],
    ["192.0.2.2", true, true],
    ["10.107.0.2", true, true],
    ["::1", false, false],
  ];
  for (const [peer, alone, shared] of cases) {
    const admits = (isShared: boolean) => admitPeer(peer, { ...LOCAL, isShared, allowed });
    assert.deepEqual([admits(false), admits(true)], [alone, shared], peer);
  }
});
