import assert from "node:assert/strict";
import { DnsServer } from "../../src/dns/server.ts";
import { Zone } from "../../src/dns/zone.ts";
import { connectTcp, listenTcp } from "../../src/system/tcp.ts";
import { listenUdp } from "../../src/system/udp.ts";

const DIG = "/usr/bin/dig";
const NO_DIG = !(await Deno.stat(DIG).then(() => true, () => false));
const SKIPPED = NO_DIG ? " (skipped: dig is not installed)" : "";

/** The output of dig for one reply. */
interface Printed {
  readonly text: string;
  readonly status: string;
  readonly opcode: string;
  readonly flags: readonly string[];
  /** QUERY, ANSWER, AUTHORITY, ADDITIONAL. */
  readonly counts: readonly number[];
  readonly edns: { readonly version: string; readonly flags: string } | undefined;
  readonly hasSoa: boolean;
}

function soa(printed: Printed, flags = ["qr", "aa"]): void {
  assert.equal(printed.status, "NOERROR");
  assert.ok(printed.hasSoa);
  assert.deepEqual(printed.flags, flags);
}

function withoutEdns(printed: Printed): void {
  assert.equal(printed.edns, undefined);
}

function withEdns0(printed: Printed, flags = ""): void {
  assert.deepEqual(printed.edns, { version: "0", flags });
}

/** Checks EDNS and that dig has not printed something that the server should not copy. */
function without(printed: Printed, copied: RegExp): void {
  withEdns0(printed);
  assert.doesNotMatch(printed.text, copied);
}

function badVersion(printed: Printed): void {
  assert.equal(printed.status, "BADVERS");
  assert.ok(!printed.hasSoa);
  assert.deepEqual(printed.flags, ["qr"]);
}

const EDNS = "+nocookie +edns=0 +noad +norec";
const EDNS_1 = "+nocookie +edns=1 +noednsneg +noad +norec";
const PLAIN = "+noedns +noad +norec";

/** A section of RFC 8906 8, the arguments of dig (`$` is the name of the zone), and the check. */
const ROWS: readonly [section: string, args: string, check: (printed: Printed) => void][] = [
  ["8.1.1 zone", `${PLAIN} soa $`, (p) => (soa(p), withoutEdns(p))],
  ["8.1.2 unknown type", `${PLAIN} type1000 $`, (p) => {
    assert.deepEqual([p.status, p.flags, p.counts], ["NOERROR", ["qr", "aa"], [1, 0, 1, 0]]);
  }],
  ["8.1.3.1 CD", `${PLAIN} +cd soa $`, (p) => (soa(p, ["qr", "aa", "cd"]), withoutEdns(p))],
  ["8.1.3.2 AD", "+noedns +norec +ad soa $", (p) => (soa(p), withoutEdns(p))],
  ["8.1.3.3 reserved bit", `${PLAIN} +zflag soa $`, (p) => (soa(p), assert.doesNotMatch(p.text, /MBZ/))],
  ["8.1.3.4 RD", "+noedns +noad +rec soa $", (p) => (soa(p, ["qr", "aa", "rd"]), withoutEdns(p))],
  ["8.1.4 unknown opcode", "+noedns +noad +opcode=15 +norec +header-only", (p) => {
    assert.deepEqual([p.status, p.opcode, p.flags], ["NOTIMP", "RESERVED15", ["qr"]]);
    assert.deepEqual(p.counts, [0, 0, 0, 0]);
  }],
  ["8.1.5 TCP", `${PLAIN} +tcp soa $`, (p) => (soa(p), withoutEdns(p))],
  ["8.2.1 EDNS", `${EDNS} soa $`, (p) => (soa(p), withEdns0(p))],
  ["8.2.2 EDNS version", `${EDNS_1} soa $`, (p) => (badVersion(p), withEdns0(p))],
  ["8.2.3 unknown option", `${EDNS} +ednsopt=100 soa $`, (p) => (soa(p), without(p, /OPT=100/))],
  ["8.2.4 unknown flag", `${EDNS} +ednsflags=0x40 soa $`, (p) => (soa(p), without(p, /MBZ/))],
  [
    "8.2.5 version and unknown flag",
    `${EDNS_1} +ednsflags=0x40 soa $`,
    (p) => (badVersion(p), without(p, /MBZ/)),
  ],
  [
    "8.2.6 version and unknown option",
    `${EDNS_1} +ednsopt=100 soa $`,
    (p) => (badVersion(p), without(p, /OPT=100/)),
  ],
  ["8.2.7 truncation", "+norec +dnssec +bufsize=512 +ignore dnskey $", (p) => {
    assert.equal(p.status, "NOERROR");
    withEdns0(p, "do");
  }],
  ["8.2.8 DO", `${EDNS} +dnssec soa $`, (p) => (soa(p), withEdns0(p, "do"))],
  ["8.2.9 version and DO", `${EDNS_1} +dnssec soa $`, (p) => (badVersion(p), withEdns0(p, "do"))],
  [
    "8.2.10 several options",
    "+edns=0 +noad +norec +cookie +nsid +expire +subnet=0.0.0.0/0 soa $",
    (p) => (soa(p), withEdns0(p)),
  ],
  // The usual queries, which are not in the RFC.
  ["A", "$ A", (p) => assert.match(p.text, /^a\.example\.com\.\s+5\s+IN\s+A\s+10\.107\.0\.1$/m)],
  ["AAAA", "$ AAAA", (p) => assert.deepEqual([p.status, p.counts], ["NOERROR", [1, 0, 1, 1]])],
  ["another name", "other.org A", (p) => assert.deepEqual([p.status, p.counts], ["SERVFAIL", [1, 0, 0, 1]])],
];

function read(text: string): Printed {
  const edns = /; EDNS: version: (\d+), flags:([^;]*); udp: 1232/.exec(text);
  return {
    text,
    status: /status: (\w+)/.exec(text)?.[1] ?? text,
    opcode: /opcode: (\w+)/.exec(text)?.[1] ?? "",
    flags: /^;; flags: ([a-z ]+);/m.exec(text)?.[1]?.split(" ") ?? [],
    counts: [...text.matchAll(/(?:QUERY|ANSWER|AUTHORITY|ADDITIONAL): (\d+)/g)].map(([, count]) =>
      Number(count)
    ),
    edns: edns === null ? undefined : { version: edns[1]!, flags: edns[2]!.trim() },
    hasSoa: /^a\.example\.com\.\s+\d+\s+IN\s+SOA\s/m.test(text),
  };
}

Deno.test({
  name: `DnsServer behaves as RFC 8906 8 requires${SKIPPED}`,
  ignore: NO_DIG,
  async fn(test) {
    await using server = new DnsServer({
      listenUdp,
      listenTcp,
      connectTcp,
      allows: () => true,
      isLocal: () => true,
      localAddress: () => undefined,
      allowsPrivate: () => false,
      onDropped: () => {},
    });
    server.replaceZone(new Zone([{ hostname: "a.example.com", address: "10.107.0.1" }]));
    const [binding] = server.rebind([{ address: "127.0.0.1", port: 0 }]);
    for (const [section, args, check] of ROWS) {
      await test.step(section, async () => {
        const argv = ["-r", "@127.0.0.1", "-p", `${binding!.port}`, "+tries=1", "+time=5", "+nocmd"];
        const more = args.replace("$", "a.example.com").split(" ");
        const { stdout, success } = await new Deno.Command(DIG, { args: [...argv, ...more] }).output();
        const text = new TextDecoder().decode(stdout);
        assert.ok(success, text);
        check(read(text));
      });
    }
  },
});
