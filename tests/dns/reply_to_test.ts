import assert from "node:assert/strict";
import fc from "fast-check";
import { replyTo } from "../../src/dns/reply_to.ts";
import { addressRecord, Zone } from "../../src/dns/zone.ts";
import { decode, type Decoded, message, type MessageParts, opt, TYPES } from "./messages.ts";

const ZONE = new Zone([
  { hostname: "a.example.com", address: "10.107.0.1" },
  { hostname: "*.w.example.com", address: "10.107.0.2" },
  { hostname: "x", address: "10.107.0.3" },
  { hostname: "withheld.example.com", address: undefined, withheld: true },
]);
const LOCAL_RECORD = addressRecord("192.168.1.5");

function ask(bytes: Uint8Array, options: { recursion?: boolean } = {}): Uint8Array | "forward" | undefined {
  const result = replyTo(bytes, {
    zone: ZONE,
    localRecord: LOCAL_RECORD,
    recursion: options.recursion ?? true,
  });
  return result === undefined || result instanceof Uint8Array ? result : "forward";
}

function reply(parts: MessageParts, options: { recursion?: boolean } = {}): Decoded {
  const bytes = ask(message(parts), options);
  assert.ok(bytes instanceof Uint8Array, `no reply but ${bytes}`);
  return decode(bytes);
}

function counts({ answers, authorities, additionals }: Decoded): number[] {
  return [answers.length, authorities.length, additionals.length];
}

Deno.test("replyTo() gives the address of our name, authoritative, with a TTL of 5 s", () => {
  const got = reply({ id: 0xbeef });
  assert.deepEqual(got.answers.map(({ name, type, ttl, data }) => ({ name, type, ttl, data })), [
    { name: "a.example.com", type: "A", ttl: 5, data: "10.107.0.1" },
  ]);
  assert.deepEqual([got.id, got.type, got.rcode], [0xbeef, "response", "NOERROR"]);
  assert.deepEqual([got.flag_aa, got.flag_rd, got.flag_ra, got.flag_ad, got.flag_tc], [
    true,
    true,
    true,
    false,
    false,
  ]);
  assert.equal(reply({ name: "q.r.w.example.com" }).answers[0]!.data, "10.107.0.2");
});

Deno.test("replyTo() keeps the case of the question, and finds the name in any case", () => {
  const got = reply({ name: "A.eXample.COM" });
  assert.equal(got.questions[0]!.name, "A.eXample.COM");
  assert.equal(got.answers[0]!.name, "A.eXample.COM");
});

const ADDRESS_TYPES = [TYPES.AAAA, TYPES.SVCB, TYPES.HTTPS, TYPES.CNAME, TYPES.DNAME, TYPES.NSEC];
const OTHER_TYPES = [TYPES.NS, TYPES.SOA, TYPES.MX, TYPES.SRV, TYPES.PTR, TYPES.TXT, 1000, 65535];

Deno.test("replyTo() forwards the types of our names that lead to no address, and no others (R95)", () => {
  for (const name of ["a.example.com", "q.r.w.example.com", "withheld.example.com"]) {
    for (const type of OTHER_TYPES) assert.equal(ask(message({ name, type })), "forward", `${name} ${type}`);
    for (const type of [TYPES.A, TYPES.ANY, ...ADDRESS_TYPES]) {
      assert.ok(ask(message({ name, type })) instanceof Uint8Array, `${name} ${type}`);
    }
  }
});

Deno.test("replyTo() replies NODATA with an SOA, not NXDOMAIN, for other types of our names", () => {
  const local = OTHER_TYPES.filter((type) => type !== TYPES.SOA).map((type) => ({ type, recursion: false }));
  for (const { type, recursion } of [...local, ...ADDRESS_TYPES.map((type) => ({ type, recursion: true }))]) {
    const got = reply({ type }, { recursion });
    assert.equal(got.rcode, "NOERROR");
    assert.deepEqual(counts(got), [0, 1, 0]);
    const [soa] = got.authorities;
    assert.equal(soa!.type, "SOA");
    assert.equal(soa!.name, "a.example.com");
    assert.equal(soa!.ttl, (soa!.data as { minimum: number }).minimum);
    assert.ok(soa!.ttl! <= 10);
    assert.ok(got.flag_aa);
  }
});

// An upstream DNS server, or a wildcard of ours, would lead the name to somebody else.
Deno.test("replyTo() replies NODATA for a name of ours that must not resolve, to every type", () => {
  for (const type of [TYPES.A, TYPES.AAAA, TYPES.ANY]) {
    const got = reply({ name: "withheld.example.com", type });
    assert.deepEqual([got.rcode, got.flag_aa, counts(got)], ["NOERROR", true, [0, 1, 0]]);
  }
});

Deno.test("replyTo() gives the SOA record for a query of that type, if no other server is known", () => {
  const got = reply({ type: TYPES.SOA }, { recursion: false });
  assert.deepEqual(counts(got), [1, 0, 0]);
  assert.equal(got.answers[0]!.type, "SOA");
});

Deno.test("replyTo() gives ANY one record, and forwards no ANY, transfer or foreign class", () => {
  const got = reply({ type: TYPES.ANY, additional: [opt()] });
  assert.deepEqual(counts(got), [1, 0, 1]);
  assert.equal(got.answers[0]!.type, "A");
  for (const type of [0, TYPES.OPT, 249, 250, TYPES.IXFR, TYPES.AXFR]) {
    for (const name of ["a.example.com", "other.org"]) {
      assert.deepEqual([reply({ name, type }).rcode, counts(reply({ name, type }))], ["REFUSED", [0, 0, 0]]);
    }
  }
  assert.equal(reply({ name: "other.org", type: TYPES.ANY }).rcode, "REFUSED");
  for (const klass of [0, 3, 4, 254, 255]) {
    assert.equal(reply({ name: "version.bind", type: TYPES.TXT, class: klass }).rcode, "REFUSED");
    assert.equal(reply({ class: klass }).rcode, "REFUSED");
  }
});

Deno.test("replyTo() forwards other names, or fails with an extended error if it cannot (R94)", () => {
  for (const name of ["other.org", "", "example.com", "w.example.com", "b.example.com"]) {
    assert.equal(ask(message({ name })), "forward", name);
    const refused = reply({ name }, { recursion: false });
    assert.deepEqual([refused.rcode, counts(refused), refused.flag_ra], ["SERVFAIL", [0, 0, 0], false]);
    const [edns] = reply({ name, additional: [opt()] }, { recursion: false }).additionals;
    // INFO-CODE 14, "Not Ready" (RFC 8914).
    const [{ code, data }] = edns!.options as [{ code: number; data: Uint8Array }];
    const text = new TextDecoder().decode(data.subarray(2));
    assert.deepEqual([code, data[1], text], [15, 14, "no upstream DNS server is known"]);
  }
  const strange = message({ name: "a.example.com" });
  strange[13] = 0x2e;
  assert.equal(ask(strange), "forward", "a dot within a label is not a separator");
});

Deno.test("replyTo() copies the bytes of a query to be forwarded", () => {
  const bytes = message({ name: "Other.org", additional: [opt({ size: 4096, flags: 0x8000 })] });
  const query = replyTo(bytes, { zone: ZONE, localRecord: LOCAL_RECORD, recursion: true });
  const question = bytes.slice(0, -11);
  bytes.fill(0xff);
  assert.ok(query !== undefined && !(query instanceof Uint8Array));
  assert.deepEqual(query.bytes, question);
  assert.deepEqual(query.edns, { payloadSize: 4096, version: 0, dnssecOk: true });
  assert.equal(query.name, "other.org");
});

Deno.test("replyTo() copies RD and CD, and never AD, AA, TC or the reserved bit", () => {
  const bits = fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(bits, ([high, low]) => {
      const got = reply({ flags: [high, low] });
      assert.deepEqual([got.rcode, got.answers.length], ["NOERROR", 1]);
      assert.deepEqual([got.flag_rd, got.flag_cd], [(high & 1) !== 0, (low & 0x10) !== 0]);
      assert.deepEqual([got.flag_ad, got.flag_z, got.flag_tc, got.flag_aa], [false, false, false, true]);
    }),
    { seed: 4 },
  );
});

Deno.test("replyTo() replies NOTIMP with empty sections to every opcode except QUERY", () => {
  for (let opcode = 1; opcode < 16; opcode++) {
    const bytes = ask(message({ flags: [opcode << 3 | 1, 0] }));
    assert.ok(bytes instanceof Uint8Array);
    assert.deepEqual([...bytes], [0x12, 0x34, 0x80 | opcode << 3 | 1, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
    const headerOnly = ask(message({ flags: [opcode << 3, 0], questions: 0 }).subarray(0, 12));
    assert.equal((headerOnly as Uint8Array)[3], 4);
  }
});

Deno.test("replyTo() does not reply to a reply or to less than a header (F49)", () => {
  assert.equal(ask(message({ flags: [0x81, 0x80] })), undefined);
  for (let length = 0; length < 12; length++) {
    assert.equal(ask(message({}).subarray(0, length)), undefined);
    assert.equal(ask(new Uint8Array(length)), undefined);
  }
});

Deno.test("replyTo() replies FORMERR unless there is exactly one whole question and nothing more", () => {
  const whole = message({ additional: [opt({ options: [0, 10, 0, 2, 1, 2] })] });
  for (const questions of [0, 2, 255]) assert.deepEqual(formErr(message({ questions })), true);
  for (let length = 12; length < whole.length; length++) {
    assert.ok(formErr(whole.subarray(0, length)), `${length}`);
  }
  assert.ok(formErr(new Uint8Array([...whole, 0])), "an octet too many");
  assert.ok(formErr(new Uint8Array(65_507)), "no question at all");
  const pointer = message({});
  pointer.set([0xc0, 12], 12);
  assert.ok(formErr(pointer), "a name that points to itself");
  for (const kind of [0x40, 0x80]) {
    const label = message({});
    label[12] = kind;
    assert.ok(formErr(label), `label kind ${kind}`);
  }
  const label = "a".repeat(63);
  assert.equal(
    ask(message({ name: [label, label, label, "b".repeat(61)].join(".") })),
    "forward",
    "255 octets",
  );
  assert.ok(formErr(message({ name: [label, label, label, "b".repeat(62)].join(".") })), "256 octets");
});

function formErr(bytes: Uint8Array): boolean {
  const got = ask(bytes);
  return got instanceof Uint8Array && got.length === 12 && got[3] === 1 && got[0] === bytes[0];
}

Deno.test("replyTo() supports EDNS 0, replies BADVERS to others, and ignores options and flags", () => {
  const plain = reply({ additional: [opt({ size: 4096 })] });
  assert.deepEqual(counts(plain), [1, 0, 1]);
  const [edns] = plain.additionals;
  assert.deepEqual(
    [
      edns!.type,
      edns!.udpPayloadSize,
      edns!.ednsVersion,
      edns!.flags,
      edns!.extendedRcode,
      edns!.options?.length,
    ],
    ["OPT", 1232, 0, 0, 0, 0],
  );
  const options = [0, 100, 0, 0, 0, 12, 0, 4, 0, 0, 0, 0, 0, 10, 0, 2, 1, 2];
  const odd = reply({ additional: [opt({ options, flags: 0x80c0 })] });
  assert.deepEqual([odd.rcode, counts(odd)], ["NOERROR", [1, 0, 1]]);
  assert.deepEqual(
    [odd.additionals[0]!.flags, odd.additionals[0]!.options?.length],
    [0x8000, 0],
    "only DO is copied",
  );
  for (const version of [1, 2, 255]) {
    const bad = reply({ additional: [opt({ version, options, flags: 0x40 })] });
    assert.deepEqual([bad.rcode, counts(bad), bad.flag_aa], ["NOERROR", [0, 0, 1], false]);
    const [edns] = bad.additionals;
    assert.deepEqual([edns!.extendedRcode, edns!.ednsVersion, edns!.flags], [1, 0, 0], "16 is BADVERS");
  }
});

Deno.test("replyTo() replies FORMERR to two OPT records, one with a name or one in another section", () => {
  assert.ok(formErr(message({ additional: [opt(), opt()] })));
  assert.ok(formErr(message({ additional: [new Uint8Array([1, 0x61, ...opt()])] })));
  const elsewhere = message({ additional: [opt()] });
  elsewhere.set([0, 1, 0, 0, 0, 0], 6);
  assert.ok(formErr(elsewhere));
});

Deno.test("replyTo() skips unexpected records", () => {
  const record = new Uint8Array([1, 0x61, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 1, 2, 3, 4]);
  const got = reply({ additional: [record, opt(), record] });
  assert.deepEqual(counts(got), [1, 0, 1]);
  for (const name of [[0x40], [1], [0xc0]]) {
    assert.ok(formErr(message({ additional: [new Uint8Array(name)] })));
  }
});

Deno.test("replyTo() replies with less than 3 times the size, 1.5 times on average", () => {
  const factors: number[] = [];
  for (const name of ["x", "a.example.com", "long-name-of-a-service.w.example.com", "other.org", ""]) {
    for (const type of [...Object.values(TYPES), 0, 257, 1000]) {
      for (const klass of [1, 3, 255]) {
        for (
          const additional of [[], [opt()], [opt({ options: [0, 12, 0, 100, ...Array(100).fill(0)] })], [
            opt({ version: 1 }),
          ]]
        ) {
          const bytes = message({ name, type, class: klass, additional });
          const got = ask(bytes, { recursion: false });
          assert.ok(got instanceof Uint8Array);
          assert.ok(got.length <= 3 * bytes.length, `${name} ${type}: ${bytes.length} → ${got.length}`);
          factors.push(got.length / bytes.length);
        }
      }
    }
  }
  const mean = factors.reduce((sum, factor) => sum + factor) / factors.length;
  assert.ok(mean <= 1.5, `${mean}`);
});

Deno.test("replyTo() never throws, and replies with a valid message of at most 3 times the size (F49)", () => {
  function check(bytes: Uint8Array): void {
    const before = bytes.slice();
    const got = ask(bytes, { recursion: false });
    assert.deepEqual(bytes, before, "the message is not modified");
    if (!(got instanceof Uint8Array)) return;
    assert.ok(got.length <= 3 * bytes.length);
    assert.equal(got[2]! & 0x80, 0x80);
    const { questions, answers, authorities } = decode(got);
    assert.ok(questions.length <= 1 && answers.length + authorities.length <= 1);
  }
  const seed = fc.constantFrom(
    message({ additional: [opt({ options: [0, 10, 0, 2, 1, 2] })] }),
    message({ name: "q.w.example.com", type: TYPES.AAAA }),
    message({ name: "other.org", additional: [opt({ version: 1 })] }),
  );
  const change = fc.tuple(fc.nat(80), fc.nat(255));
  const mutated = fc.tuple(seed, fc.array(change, { maxLength: 6 }), fc.nat(90)).map(
    ([bytes, changes, length]) => {
      const result = bytes.slice(0, 12 + length);
      for (const [at, value] of changes) result[at % result.length] = value;
      return result;
    },
  );
  fc.assert(fc.property(mutated, check), { seed: 4, numRuns: 5000 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), check), { seed: 4, numRuns: 2000 });
});
