import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { answerOwnName } from "../../src/dns/answer_own_name.ts";
import { readQuery } from "../../src/dns/query.ts";
import { decode, message, opt, type PacketRecord, replyOf, TYPES } from "./messages.ts";

const NAME = "a.example.com";
const NXDOMAIN = 3;
const SOA: PacketRecord = {
  name: "example.com",
  type: "SOA",
  ttl: 86_400,
  data: { mname: "ns.example.com", rname: "root.example.com", serial: 1, minimum: 86_400 },
};
const ADDRESS: PacketRecord = { name: NAME, type: "A", ttl: 60, data: "6.6.6.6" };

function mx(name: string, exchange: string): PacketRecord {
  return { name, type: "MX", ttl: 60, data: { preference: 10, exchange } };
}

function alias(name: string, data: string): PacketRecord {
  return { name, type: "CNAME", ttl: 60, data };
}

function answer(
  type: number,
  parts: Parameters<typeof replyOf>[1],
  options: { change?: (reply: Uint8Array) => void } = {},
): Uint8Array | undefined {
  const asked = message({ name: "A.Example.com", type, additional: [opt()] });
  const reply = replyOf(asked, parts);
  options.change?.(reply);
  return answerOwnName(reply, readQuery(asked)!);
}

const ROWS: Record<string, [type: number, parts: Parameters<typeof replyOf>[1], records: string[]]> = {
  "the records of the type": [TYPES.MX, { answers: [mx(NAME, "mail.example.com")] }, ["mail.example.com"]],
  "several records": [TYPES.MX, { answers: [mx(NAME, "one.org"), mx(NAME, "two.org")] }, [
    "one.org",
    "two.org",
  ]],
  "the records behind an alias, under the own name": [
    TYPES.MX,
    { answers: [alias(NAME, "b.org"), alias("b.org", "c.org"), mx("c.org", "mail.c.org")] },
    ["mail.c.org"],
  ],
  "no address, alias or record of another name": [
    TYPES.MX,
    { answers: [ADDRESS, mx("b.org", "mail.b.org"), mx(NAME, "mail.example.com")] },
    ["mail.example.com"],
  ],
  "nothing for an alias without the type": [TYPES.MX, { answers: [alias(NAME, "b.org")] }, []],
  "nothing for a circle of aliases": [
    TYPES.MX,
    { answers: [alias(NAME, "b.org"), alias("b.org", NAME)] },
    [],
  ],
  "nothing for no records": [TYPES.MX, { authorities: [SOA] }, []],
  "nothing for a missing name": [TYPES.MX, { authorities: [SOA], rcode: NXDOMAIN }, []],
  "nothing for an alias to a missing name": [
    TYPES.MX,
    { answers: [alias(NAME, "b.org")], rcode: NXDOMAIN },
    [],
  ],
};

for (const [what, [type, parts, expected]] of Object.entries(ROWS)) {
  Deno.test(`answerOwnName() gives ${what}`, () => {
    const got = decode(answer(type, parts)!);
    assert.deepEqual([got.rcode, got.questions[0]!.name], ["NOERROR", "A.Example.com"]);
    assert.deepEqual(got.answers.map(({ name }) => name), expected.map(() => "A.Example.com"));
    assert.deepEqual(got.answers.map(({ data }) => (data as { exchange: string }).exchange), expected);
    // The name exists here, so that a client must soon ask again.
    const [soa] = got.authorities;
    assert.equal(soa?.ttl, expected.length > 0 ? undefined : 5);
  });
}

// A client took the key or the name servers of another zone for those of the name.
for (
  const [type, record] of [
    ["NS", { type: "NS", data: "ns.b.org" }],
    ["SOA", { type: "SOA", data: { mname: "ns.b.org", rname: "root.b.org", minimum: 60 } }],
    ["DS", { type: "DS", data: { keyTag: 1, algorithm: 8, digestType: 2, digest: Buffer.alloc(32) } }],
    ["DNSKEY", { type: "DNSKEY", data: { flags: 257, algorithm: 8, key: Buffer.alloc(32) } }],
    ["CDS", { type: "UNKNOWN_59", data: Buffer.alloc(36) }],
    ["CDNSKEY", { type: "UNKNOWN_60", data: Buffer.alloc(36) }],
  ] as const
) {
  Deno.test(`answerOwnName() gives no ${type} of a zone behind an alias, but that of the name`, () => {
    const behind = decode(
      answer(TYPES[type], {
        answers: [alias(NAME, "b.org"), { name: "b.org", ttl: 60, ...record } as PacketRecord],
      })!,
    );
    assert.deepEqual([behind.rcode, behind.answers.length, behind.authorities[0]?.ttl], ["NOERROR", 0, 5]);
    const own = decode(
      answer(TYPES[type], { answers: [{ name: NAME, ttl: 60, ...record } as PacketRecord] })!,
    );
    assert.deepEqual([own.answers.length, own.authorities.length], [1, 0]);
  });
}

Deno.test("answerOwnName() passes on failures, without records, and a truncated reply without answers", () => {
  const failed = decode(answer(TYPES.TXT, { answers: [ADDRESS], rcode: 2 })!);
  assert.deepEqual([failed.rcode, failed.answers.length], ["SERVFAIL", 0]);
  const cut = decode(answer(TYPES.TXT, {}, { change: (reply) => reply[2]! |= 2 })!);
  assert.deepEqual([cut.rcode, cut.flag_tc, cut.authorities.length], ["NOERROR", true, 0]);
  const malformed = answer(TYPES.MX, { answers: [mx(NAME, "b.org")] }, { change: (reply) => reply[7] = 9 });
  assert.equal(malformed, undefined);
});

Deno.test("answerOwnName() gives only records of the type, whatever the reply has", () => {
  const names = fc.constantFrom(NAME, "b.org", "c.org");
  const records = fc.array(
    fc.oneof(
      fc.tuple(names, names).map(([name, data]) => alias(name, data)),
      fc.tuple(names, names).map(([name, data]) => mx(name, data)),
      names.map((name) => ({ ...ADDRESS, name })),
    ),
    { maxLength: 8 },
  );
  const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 });
  fc.assert(
    fc.property(records, changes, (answers, changed) => {
      const got = answer(TYPES.MX, { answers }, {
        change: (reply) => changed.forEach(([at, value]) => reply[at % reply.length] = value),
      });
      if (got === undefined) return;
      for (const { type, name } of decode(got).answers) {
        assert.deepEqual([type, name], ["MX", "A.Example.com"]);
      }
    }),
    { seed: 4, numRuns: 3000 },
  );
});
