import assert from "node:assert/strict";
import { isSubnetInUse } from "../../src/daemon/subnet_use.ts";
import { parseCidr } from "../../src/lib/ipv4.ts";
import type { Route } from "../../src/model/route_table.ts";
import type { Endpoint } from "../../src/model/endpoint.ts";

const NOW = 10_000_000;
const MINUTE = 60_000;

Deno.test("isSubnetInUse() is true for 5 minutes after the last byte of an address in the subnet", () => {
  const cases: [
    address: string,
    connections: string[],
    lastActivity: number | undefined,
    expected: boolean,
  ][] = [
    ["10.107.0.2", [], undefined, false],
    ["10.107.0.2", ["10.107.0.2:80"], undefined, true],
    ["10.107.0.2", ["10.108.0.2:80", "192.168.1.1:80"], undefined, false],
    ["10.107.0.2", [], NOW - 4 * MINUTE, true],
    ["10.107.0.2", [], NOW - 5 * MINUTE, false],
    ["192.168.1.1", ["192.168.1.1:80"], NOW, false],
  ];
  for (const [address, connections, lastActivity, expected] of cases) {
    const outcomes = [{
      endpoint: { id: "ep_1" } as Endpoint,
      route: { address, localPort: 80 } as Route,
    }];
    const traffic = { open: 0, total: 0, bytesIn: 0, bytesOut: 0, errors: 0 };
    const isInUse = isSubnetInUse(parseCidr("10.107.0.0/16")!, {
      countConnections: (matches) => connections.filter(matches).length,
      outcomes,
      traffic: () => lastActivity === undefined ? traffic : { ...traffic, lastActivity },
      nowMs: NOW,
    });
    assert.equal(isInUse, expected, JSON.stringify([address, connections, lastActivity]));
  }
});
