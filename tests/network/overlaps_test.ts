import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { describeOverlaps, findOverlaps, probeAddress } from "../../src/network/overlaps.ts";
import { parseRules, parseTableRoutes } from "../../src/network/rule_output.ts";

const SUBNET = parseCidr("10.107.0.0/16")!;
const RULES = [
  { priority: 0, src: "all", table: "local" },
  { priority: 32766, src: "all", table: "main" },
  { priority: 32767, src: "all", table: "default" },
];
const VPN = { dst: "10.0.0.0/8", dev: "tun0", flags: [] };
/** Of `wg-quick` with a default route: all but its own packets. */
const WIREGUARD = [
  RULES[0],
  { priority: 32764, src: "all", table: "main", suppress_prefixlen: 0 },
  { priority: 32765, not: null, src: "all", fwmark: "0xca6c", table: "51820" },
  ...RULES.slice(1),
];

/** Before anybody has added a rule. */
const MERGED = "merged";

/** Name → routes, overlaps as `effect to dev`, and rules, in the output of `ip -4 -json`. */
const CASES: Record<string, [routes: object[], expected: string[], rules?: object[] | typeof MERGED]> = {
  "a shorter route of a VPN: its hosts in our subnet are hidden": [[VPN], ["hidden 10.0.0.0/8 tun0"]],
  "a route to exactly our subnet": [[{ ...VPN, dst: "10.107.0.0/16" }], ["hidden 10.107.0.0/16 tun0"]],
  "longer routes do not win against the table local, which is first": [
    [{ ...VPN, dst: "10.107.9.0/24" }, { ...VPN, dst: "10.107.8.1" }],
    ["hidden 10.107.9.0/24 tun0", "hidden 10.107.8.1/32 tun0"],
  ],
  "longer routes take the traffic while the tables local and main are one": [
    [
      VPN,
      { ...VPN, dst: "10.107.0.0/16" },
      { ...VPN, dst: "10.107.9.0/24" },
      { type: "unreachable", dst: "10.107.8.0/24" },
    ],
    ["hidden 10.107.0.0/16 tun0", "taken 10.107.9.0/24 tun0", "taken 10.107.8.0/24 "],
    MERGED,
  ],
  "of equal routes the one with the lowest metric counts": [
    [{ ...VPN, metric: 600 }, { ...VPN, dev: "tun1", metric: 50 }],
    ["hidden 10.0.0.0/8 tun1"],
  ],
  "a longer route that covers our subnet hides a shorter one": [
    [VPN, { ...VPN, dst: "10.107.0.0/16", dev: "eth1" }],
    ["hidden 10.107.0.0/16 eth1"],
  ],
  "a longer route that covers a part does not": [
    [VPN, { ...VPN, dst: "10.107.0.0/17", dev: "eth1" }],
    ["hidden 10.0.0.0/8 tun0", "hidden 10.107.0.0/17 eth1"],
  ],
  "a route to several interfaces": [
    [{ dst: "10.0.0.0/8", nexthops: [{ dev: "eth1" }, { dev: "eth2" }] }],
    ["hidden 10.0.0.0/8 eth1"],
  ],
  "default routes, also in two halves, lead to no network of their own": [
    [{ dst: "default", dev: "eth0" }, { dst: "0.0.0.0/1", dev: "tun0" }],
    [],
  ],
  "behind these there is no host": [
    ["blackhole", "unreachable", "prohibit", "throw"].map((type) => ({ type, dst: "10.0.0.0/8" })),
    [],
  ],
  "other networks": [[{ dst: "10.106.0.0/16", dev: "eth1" }, { dst: "192.168.1.0/24", dev: "eth0" }], []],
  "a table that no rule names": [[{ ...VPN, table: "99" }], []],
  "the table of a VPN with a rule for all packets": [
    [{ ...VPN, table: "52" }],
    ["hidden 10.0.0.0/8 tun0"],
    [RULES[0]!, { priority: 5270, src: "all", table: "52" }, ...RULES.slice(1)],
  ],
  "the table of a VPN with a rule for other destinations": [
    [{ ...VPN, table: "52" }],
    [],
    [RULES[0]!, { priority: 5270, src: "all", dst: "192.168.0.0", dstlen: 16, table: "52" }],
  ],
  "the table of a VPN with a rule for all but some destinations": [
    [{ ...VPN, table: "52" }, { ...VPN, dst: "10.107.9.0/24", table: "53" }, { ...VPN, dev: "eth1" }],
    ["hidden 10.0.0.0/8 tun0", "hidden 10.0.0.0/8 eth1"],
    [
      RULES[0]!,
      { priority: 5268, not: null, src: "all", dst: "10.0.0.0", dstlen: 8, table: "53" },
      { priority: 5269, not: null, src: "all", dst: "10.107.9.0", dstlen: 24, table: "53" },
      { priority: 5270, not: null, src: "all", dst: "10.107.9.0", dstlen: 24, table: "52" },
      ...RULES.slice(1),
    ],
  ],
  "the table of a VPN with a rule for all but other destinations": [
    [{ ...VPN, table: "52" }, { ...VPN, dev: "eth1" }],
    ["hidden 10.0.0.0/8 tun0"],
    [
      RULES[0]!,
      { priority: 5270, not: null, src: "all", dst: "192.168.0.0", dstlen: 16, table: "52" },
      ...RULES.slice(1),
    ],
  ],
  "a rule for nothing, or for no packet of this machine": [
    [{ ...VPN, table: "52" }],
    [],
    [
      { priority: 9, not: null, src: "all", table: "52" },
      { priority: 10, not: null, src: "all", iif: "lo", table: "52" },
      ...RULES,
    ],
  ],
  "a rule for a part of our subnet does not decide for the rest": [
    [
      { dst: "default", dev: "tun0", table: "52" },
      { ...VPN, dst: "10.107.8.0/24", table: "52" },
      { ...VPN, dev: "eth1" },
    ],
    ["hidden 10.0.0.0/8 eth1"],
    [
      RULES[0]!,
      { priority: 5270, src: "all", dst: "10.107.9.0", dstlen: 24, table: "52" },
      ...RULES.slice(1),
    ],
  ],
  "the first table with a route to all of our subnet decides": [
    [{ ...VPN, table: "52" }, { ...VPN, dst: "10.107.0.0/16", dev: "eth1" }],
    ["hidden 10.0.0.0/8 tun0"],
    [RULES[0]!, { priority: 5270, src: "all", table: "52" }, ...RULES.slice(1)],
  ],
  "WireGuard with a default route": [
    [{ dst: "default", dev: "wg0", table: "51820" }],
    [],
    WIREGUARD as object[],
  ],
  "WireGuard with a default route, and a longer route in the table main": [
    [{ dst: "default", dev: "wg0", table: "51820" }, { ...VPN, dev: "eth1" }],
    ["hidden 10.0.0.0/8 eth1"],
    WIREGUARD as object[],
  ],
  "an address of another interface in our subnet, and its broadcast address": [
    [
      { type: "local", dst: "10.107.1.1", dev: "tun0", table: "local" },
      { type: "broadcast", dst: "10.107.1.255", dev: "tun0", table: "local" },
    ],
    ["shared 10.107.1.1/32 tun0", "taken 10.107.1.255/32 tun0"],
  ],
  "a shorter local route": [[{ type: "local", dst: "10.0.0.0/8", dev: "lo", table: "local" }], []],
  "a rule before the table local takes the traffic, also by a default route": [
    [{ dst: "default", dev: "tun0", table: "77" }],
    ["taken 0.0.0.0/0 tun0"],
    [{ priority: 0, src: "all", table: "77" }, { priority: 1, src: "all", table: "local" }],
  ],
  "a rule before the table local for marked packets takes nothing": [
    [{ ...VPN, table: "2004" }],
    ["hidden 10.0.0.0/8 tun0"],
    [
      { priority: 9, src: "all", fwmark: "0x200", fwmask: "0xf00", table: "2004" },
      { priority: 10, src: "all", iif: "eth0", table: "2004" },
      { priority: 100, src: "all", table: "local" },
    ],
  ],
};

for (const [name, [routes, expected, rules = RULES]] of Object.entries(CASES)) {
  Deno.test(`findOverlaps(): ${name}`, () => {
    const isMerged = rules === MERGED;
    const lookup = {
      routes: parseTableRoutes(JSON.stringify(routes)),
      rules: parseRules(JSON.stringify(isMerged ? RULES : rules)),
      isMerged,
    };
    const found = findOverlaps(SUBNET, lookup);
    assert.deepEqual(
      found.map(({ effect, to, dev }) => `${effect} ${describe(to)} ${dev}`),
      expected,
    );
  });
}

function describe({ base, prefix }: { base: number; prefix: number }): string {
  return `${[24, 16, 8, 0].map((shift) => (base >>> shift) & 255).join(".")}/${prefix}`;
}

Deno.test("parseTableRoutes() and parseRules() refuse other output, and accept none", () => {
  for (const parse of [parseTableRoutes, parseRules]) {
    assert.deepEqual(parse(""), []);
    for (const text of ["x", "{}", '[{"dst": 1}]']) assert.throws(() => parse(text), SyntaxError);
  }
});

Deno.test("describeOverlaps() names three routes of each effect, and counts the rest", () => {
  assert.equal(describeOverlaps(SUBNET, []), undefined);
  const to = (last: number) => ({ to: parseCidr(`10.107.${last}.0/24`)!, dev: "tun0" });
  const hidden = [1, 2, 3, 4, 5].map((last) => ({ ...to(last), effect: "hidden" as const }));
  assert.equal(
    describeOverlaps(SUBNET, [{ ...to(9), effect: "shared" }, ...hidden]),
    "this machine cannot reach the hosts of 10.107.1.0/24 (dev tun0), 10.107.2.0/24 (dev tun0), " +
      "10.107.3.0/24 (dev tun0), 2 more that have addresses in 10.107.0.0/16, because ngrokd uses 10.107.0.0/16; " +
      "this machine has addresses in 10.107.0.0/16 on other interfaces too: 10.107.9.0/24 (dev tun0)",
  );
});

Deno.test("probeAddress() finds an address of a longer route in main that no other route has", () => {
  const standard = parseRules(JSON.stringify(RULES));
  const find = (routes: object[], rules = standard) =>
    probeAddress(SUBNET, { routes: parseTableRoutes(JSON.stringify(routes)), rules });
  const lan = [
    { ...VPN, dst: "10.107.9.0/30" },
    { type: "broadcast", dst: "10.107.9.0", dev: "tun0", table: "local" },
    { type: "local", dst: "10.107.9.1", dev: "tun0", table: "local" },
  ];
  assert.equal(find(lan), "10.107.9.2");
  assert.equal(find([VPN]), undefined);
  assert.equal(find([...lan, { ...VPN, dst: "10.107.9.2/31" }]), "10.107.9.2");
  assert.equal(find(lan, parseRules('[{"table":"52"}]')), undefined, "another rule has split the tables");
});
