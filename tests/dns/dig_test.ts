import assert from "node:assert/strict";
import { DnsServer } from "../../src/dns/server.ts";
import { Zone } from "../../src/dns/zone.ts";
import { connectTcp, listenTcp } from "../../src/system/net.ts";
import { listenUdp } from "../../src/system/udp.ts";

const DIG = "/usr/bin/dig";
const NO_DIG = !(await Deno.stat(DIG).then(() => true, () => false));

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

interface Row {
  /** The section of RFC 8906. */
  readonly section: string;
  readonly args: string;
  readonly check: (printed: Printed) => void;
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

function badVersion(printed: Printed): void {
  assert.equal(printed.status, "BADVERS");
  assert.ok(!printed.hasSoa);
  assert.deepEqual(printed.flags, ["qr"]);
}

/** RFC 8906 section 8, in its order; `$` stands for the zone. */
const ROWS: readonly Row[] = [
  { section: "8.1.1 zone", args: "+noedns +noad +norec soa $", check: (p) => (soa(p), withoutEdns(p)) },
  {
    section: "8.1.2 unknown type",
    args: "+noedns +noad +norec type1000 $",
    check(p) {
      assert.deepEqual([p.status, p.flags, p.counts], ["NOERROR", ["qr", "aa"], [1, 0, 1, 0]]);
    },
  },
  {
    section: "8.1.3.1 CD",
    args: "+noedns +noad +norec +cd soa $",
    check: (p) => (soa(p, ["qr", "aa", "cd"]), withoutEdns(p)),
  },
  { section: "8.1.3.2 AD", args: "+noedns +norec +ad soa $", check: (p) => (soa(p), withoutEdns(p)) },
  {
    section: "8.1.3.3 reserved bit",
    args: "+noedns +noad +norec +zflag soa $",
    check: (p) => (soa(p), assert.doesNotMatch(p.text, /MBZ/)),
  },
  {
    section: "8.1.3.4 RD",
    args: "+noedns +noad +rec soa $",
    check: (p) => (soa(p, ["qr", "aa", "rd"]), withoutEdns(p)),
  },
  {
    section: "8.1.4 unknown opcode",
    args: "+noedns +noad +opcode=15 +norec +header-only",
    check(p) {
      assert.deepEqual([p.status, p.opcode, p.flags, p.counts], ["NOTIMP", "RESERVED15", ["qr"], [
        0,
        0,
        0,
        0,
      ]]);
    },
  },
  { section: "8.1.5 TCP", args: "+noedns +noad +norec +tcp soa $", check: (p) => (soa(p), withoutEdns(p)) },
  {
    section: "8.2.1 EDNS",
    args: "+nocookie +edns=0 +noad +norec soa $",
    check: (p) => (soa(p), withEdns0(p)),
  },
  {
    section: "8.2.2 EDNS version",
    args: "+nocookie +edns=1 +noednsneg +noad +norec soa $",
    check: (p) => (badVersion(p), withEdns0(p)),
  },
  {
    section: "8.2.3 unknown option",
    args: "+nocookie +edns=0 +noad +norec +ednsopt=100 soa $",
    check: (p) => (soa(p), withEdns0(p), assert.doesNotMatch(p.text, /OPT=100/)),
  },
  {
    section: "8.2.4 unknown flag",
    args: "+nocookie +edns=0 +noad +norec +ednsflags=0x40 soa $",
    check: (p) => (soa(p), withEdns0(p), assert.doesNotMatch(p.text, /MBZ/)),
  },
  {
    section: "8.2.5 version and unknown flag",
    args: "+nocookie +edns=1 +noednsneg +noad +norec +ednsflags=0x40 soa $",
    check: (p) => (badVersion(p), withEdns0(p), assert.doesNotMatch(p.text, /MBZ/)),
  },
  {
    section: "8.2.6 version and unknown option",
    args: "+nocookie +edns=1 +noednsneg +noad +norec +ednsopt=100 soa $",
    check: (p) => (badVersion(p), withEdns0(p), assert.doesNotMatch(p.text, /OPT=100/)),
  },
  {
    section: "8.2.7 truncation",
    args: "+norec +dnssec +bufsize=512 +ignore dnskey $",
    check: (p) => (assert.equal(p.status, "NOERROR"), withEdns0(p, "do")),
  },
  {
    section: "8.2.8 DO",
    args: "+nocookie +edns=0 +noad +norec +dnssec soa $",
    check: (p) => (soa(p), withEdns0(p, "do")),
  },
  {
    section: "8.2.9 version and DO",
    args: "+nocookie +edns=1 +noednsneg +noad +norec +dnssec soa $",
    check: (p) => (badVersion(p), withEdns0(p, "do")),
  },
  {
    section: "8.2.10 several options",
    args: "+edns=0 +noad +norec +cookie +nsid +expire +subnet=0.0.0.0/0 soa $",
    check: (p) => (soa(p), withEdns0(p)),
  },
  // Beyond the RFC: what people ask.
  {
    section: "A",
    args: "$ A",
    check: (p) => assert.match(p.text, /^a\.example\.com\.\s+5\s+IN\s+A\s+10\.107\.0\.1$/m),
  },
  {
    section: "AAAA",
    args: "$ AAAA",
    check: (p) => assert.deepEqual([p.status, p.counts], ["NOERROR", [1, 0, 1, 1]]),
  },
  {
    section: "another name",
    args: "other.org A",
    check: (p) => assert.deepEqual([p.status, p.counts], ["REFUSED", [1, 0, 0, 1]]),
  },
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
  name: `dig finds every behaviour that RFC 8906 section 8 wants${
    NO_DIG ? " (skipped: dig is not installed)" : ""
  }`,
  ignore: NO_DIG,
  async fn(test) {
    await using server = new DnsServer({
      listenUdp,
      listenTcp,
      connectTcp,
      allows: () => true,
      isLocal: () => true,
    });
    server.replaceZone(new Zone([{ hostname: "a.example.com", address: "10.107.0.1" }]));
    const [binding] = server.rebind([{ address: "127.0.0.1", port: 0 }]);
    for (const { section, args, check } of ROWS) {
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
