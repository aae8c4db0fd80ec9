import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import packet from "dns-packet";
import { filterReply } from "../../src/dns/filter_reply.ts";
import { localAddressText } from "../../src/dns/local_address.ts";
import { readQuery } from "../../src/dns/query.ts";
import { Zone } from "../../src/dns/zone.ts";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { decode, type Decoded, type DecodedRecord, message, opt } from "./messages.ts";

const NAME = "Evil.Example.org";
const QUERY = readQuery(message({ name: NAME }))!;
const OWN = { subnet: parseCidr("10.107.0.0/16")!, listeners: new Set<number>() };
const ZONE = new Zone([
  { hostname: "api.myapp", address: "10.107.0.2" },
  { hostname: "*.apps.myapp", address: "10.107.0.3" },
]);
const RULES = {
  isOurs: (name: string) => ZONE.has(name),
  hasNamesBelow: (name: string) => ZONE.hasNamesBelow(name),
  localAddress: (address: Uint8Array) => localAddressText(address, OWN),
  allowsPrivate: () => false,
};
const GOOD = { type: "A", name: NAME, ttl: 60, data: "192.0.2.1" };

/** A reply with these parts to a question in lower case. */
function replyWith(parts: object): Uint8Array {
  return new Uint8Array(
    packet.encode({
      type: "response",
      id: 7,
      flags: packet.RECURSION_DESIRED | packet.AUTHENTIC_DATA,
      questions: [{ type: "A", name: NAME.toLowerCase() }],
      ...parts,
    } as packet.Packet),
  );
}

function filter(
  reply: Uint8Array,
  { isAllowed = false, query = QUERY } = {},
): { reply: Decoded; dropped: string | undefined } | undefined {
  const filtered = filterReply(reply, { ...RULES, query, allowsPrivate: () => isAllowed });
  return filtered && { reply: decode(filtered.reply), dropped: filtered.dropped?.reason };
}

/** A reply with these answers in wire form. */
function replyWithAnswers(...records: readonly (readonly number[])[]): Uint8Array {
  const reply = new Uint8Array([...replyWith({}), ...records.flat()]);
  reply.set([records.length >> 8, records.length & 255], 6);
  return reply;
}

/** A record in wire form. */
function recordOf(owner: readonly number[], type: number, data: readonly number[]): number[] {
  return [...owner, 0, type, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 255, ...data];
}

/** The offset of the answers of a reply. */
const ANSWERS = replyWith({}).length;
/** A pointer to the name of the question. */
const QUESTION = [0xc0, 12];

function wire(name: string): number[] {
  return [
    ...Buffer.from(name.split(".").map((label) => String.fromCharCode(label.length) + label).join("") + "\0"),
  ];
}

/** An HTTPS record: priority, target, parameters. */
function https(target: string, ...params: readonly number[]): number[] {
  return [0, 1, ...target === "" ? [0] : wire(target), ...params];
}

Deno.test("filterReply() passes an answer on, with the question as the client wrote it", () => {
  const { reply, dropped } = filter(replyWith({ answers: [GOOD] }))!;
  assert.equal(dropped, undefined);
  assert.deepEqual([reply.questions[0]!.name, reply.answers.length, reply.flag_ad], [NAME, 1, true]);
});

for (
  const [what, record, reason] of [
    ["a loopback address", { type: "A", data: "127.0.0.1" }, "127.0.0.1 leads to this machine"],
    ["a virtual address", { type: "A", data: "10.107.9.9" }, "10.107.9.9 leads to this machine"],
    ["an IPv6 address", { type: "AAAA", data: "::ffff:127.0.0.1" }, "::ffff:7f00:1 leads to this machine"],
    [
      "an alias of our name",
      { type: "CNAME", data: "API.myapp" },
      "it leads to api.myapp, a name of an endpoint",
    ],
    [
      "an alias of a wildcard",
      { type: "CNAME", data: "x.apps.myapp" },
      "it leads to x.apps.myapp, a name of an endpoint",
    ],
    ["a DNAME above our names", { type: "DNAME", data: "myapp" }, "it leads to myapp, a name of an endpoint"],
  ] as const
) {
  Deno.test(`filterReply() drops ${what}, unless the name is allowed (R80)`, () => {
    const reply = replyWith({
      answers: [GOOD, { name: NAME, ttl: 60, ...record }],
      authorities: [{ type: "NS", name: "example.org", ttl: 60, data: "ns.example.org" }],
      additionals: [{ type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] }],
    });
    const filtered = filter(reply)!;
    assert.equal(filtered.dropped, reason);
    assert.deepEqual(filtered.reply.answers.map(({ data }) => data), ["192.0.2.1"], "the others stay");
    const { rcode, flag_ad, authorities, additionals, questions } = filtered.reply;
    assert.deepEqual([rcode, flag_ad, authorities.length], ["NOERROR", false, 0]);
    assert.deepEqual(additionals.map(({ type }) => type), ["OPT"]);
    assert.equal(questions[0]!.name, NAME);
    const allowed = filter(reply, { isAllowed: true })!;
    assert.deepEqual([allowed.dropped, allowed.reply.answers.length], [undefined, 2]);
  });
}

Deno.test("filterReply() drops every record of our names, also of allowed ones (R80)", () => {
  const alias = { type: "CNAME", name: NAME, ttl: 60, data: "www.example.net" };
  const ours = { type: "A", name: "api.MYAPP", ttl: 60, data: "192.0.2.9" };
  for (const section of ["answers", "authorities", "additionals"]) {
    const isAnswer = section === "answers";
    const answers = isAnswer ? [alias, ours] : [alias];
    const { reply, dropped } = filter(replyWith({ [section]: [ours], answers }), { isAllowed: true })!;
    assert.equal(dropped, isAnswer ? "api.myapp is a name of an endpoint" : undefined);
    assert.deepEqual(reply.answers.map(({ type }) => type), ["CNAME"]);
    assert.deepEqual([reply.authorities.length, reply.additionals.length], [0, 0]);
  }
});

Deno.test("filterReply() keeps the SOA of a missing name below the name of an endpoint", () => {
  const data = {
    mname: "ns.a.org",
    rname: "x.a.org",
    serial: 1,
    refresh: 2,
    retry: 3,
    expire: 4,
    minimum: 5,
  };
  const soa = { type: "SOA", name: "api.myapp", ttl: 60, data };
  const ns = { type: "NS", name: "api.myapp", ttl: 60, data: "ns.a.org" };
  for (const authorities of [[soa], [ns, soa]]) {
    const { reply, dropped } = filter(replyWith({ authorities }))!;
    assert.equal(dropped, undefined, "nothing that the client asked for");
    assert.deepEqual(reply.authorities.map((record) => [record.type, record.data]), [["SOA", data]]);
  }
});

Deno.test("filterReply() says if the user can allow an answer, and if it only blocks the name", () => {
  const odd = readQuery(message({ name: "odd name.org" }))!;
  for (
    const [record, query, canAllow, isBlock] of [
      [{ type: "A", data: "127.0.0.1" }, QUERY, true, false],
      [{ type: "CNAME", data: "api.myapp" }, QUERY, true, false],
      [{ type: "A", name: "api.myapp", data: "192.0.2.1" }, QUERY, false, false],
      [{ type: "A", data: "127.0.0.1" }, odd, false, false],
      [{ type: "A", data: "0.0.0.0" }, QUERY, true, true],
      [{ type: "AAAA", data: "::" }, QUERY, true, true],
      [{ type: "A", data: "0.0.0.1" }, QUERY, true, false],
    ] as const
  ) {
    const name = query === odd ? "odd name.org" : NAME.toLowerCase();
    const reply = replyWith({ questions: [{ type: "A", name }], answers: [{ name, ttl: 60, ...record }] });
    const { dropped } = filterReply(reply, { ...RULES, query })!;
    assert.deepEqual(
      [dropped?.name, dropped?.canAllow ?? false, dropped?.isBlock ?? false],
      [name, canAllow, isBlock],
    );
  }
});

Deno.test("filterReply() drops HTTPS and SVCB records that lead here (R80)", () => {
  const hints4 = [0, 4, 0, 8, ...[192, 0, 2, 1], ...[127, 0, 0, 1]];
  const hints6 = [0, 6, 0, 16, ...Array(15).fill(0), 1];
  const alpn = [0, 1, 0, 3, 2, 104, 50];
  for (const type of [64, 65]) {
    for (
      const [data, reason] of [
        [https("", ...alpn, ...hints4), "127.0.0.1 leads to this machine"],
        [https("", ...alpn, ...hints6), "::1 leads to this machine"],
        [https("api.myapp"), "it leads to api.myapp, a name of an endpoint"],
        [https("", ...hints4.slice(0, -1)), "a record is malformed"],
        [https("", 0, 4), "a record is malformed"],
        // In a copy of the record a pointer leads elsewhere.
        [[0, 1, ...QUESTION], "a record is malformed"],
        [https("", ...alpn, 0, 4, 0, 4, 192, 0, 2, 1), undefined],
      ] as const
    ) {
      const reply = replyWithAnswers(recordOf(QUESTION, type, data));
      const filtered = filterReply(reply, { ...RULES, query: QUERY })!;
      assert.equal(filtered.dropped?.reason, reason);
      assert.equal(filtered.reply[7], reason === undefined ? 1 : 0);
    }
  }
});

Deno.test("filterReply() writes compressed names in full after it has removed a record", () => {
  const questionEnd = 12 + wire(NAME).length + 4;
  // The name of the second record is in the data of the first, which is removed.
  const first = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 11, ...wire("api.myapp")];
  const target = questionEnd + 12;
  const second = [
    0xc0,
    target + 4,
    0,
    15,
    0,
    1,
    0,
    0,
    0,
    60,
    0,
    9,
    0,
    10,
    4,
    ...Buffer.from("mail"),
    0xc0,
    target + 4,
  ];
  const reply = new Uint8Array([...replyWith({}), ...first, ...second]);
  reply[7] = 2;
  reply.set([0, second.length - 12], reply.length - second.length + 10);
  const { reply: filtered } = filter(reply)!;
  assert.deepEqual(filtered.answers.map(({ name, data }) => [name, data]), [
    ["myapp", { preference: 10, exchange: "mail.myapp" }],
  ]);
});

Deno.test("filterReply() rejects replies that it cannot read to the end", () => {
  const whole = replyWith({ answers: [GOOD] });
  const loop = new Uint8Array([...replyWith({}), 0xc0, 34, ...Array(10).fill(0)]);
  loop[7] = 1;
  loop[replyWith({}).length + 1] = replyWith({}).length;
  const many = replyWith({ answers: Array(513).fill(GOOD) });
  for (const reply of [whole.subarray(0, -1), whole.subarray(0, 11), loop, many]) {
    assert.equal(filter(reply), undefined);
  }
  const more = new Uint8Array([...whole, 1, 2, 3]);
  assert.equal(filter(more)!.reply.answers.length, 1, "what follows the records is cut");
  assert.equal(filter(replyWith({ answers: Array(512).fill(GOOD) }))!.reply.answers.length, 512);
});

Deno.test("filterReply() asks once about each name, and only about suspicious ones if allowed", () => {
  const asked: string[] = [];
  let allowed = 0;
  const count = (reply: Uint8Array) => {
    asked.length = allowed = 0;
    filterReply(reply, {
      ...RULES,
      query: QUERY,
      isOurs: (name) => asked.push(name) < 0,
      allowsPrivate: () => ++allowed < 0,
    });
    return [asked.length, allowed];
  };
  const long = [...Array(126).fill([1, 97]).flat(), 0];
  const pointer = [0xc0, ANSWERS];
  const aliases = Array.from({ length: 511 }, () => recordOf(pointer, 5, pointer));
  assert.deepEqual(count(replyWithAnswers(recordOf(long, 5, pointer), ...aliases)), [1, 0]);
  const local = Array.from({ length: 512 }, () => recordOf(QUESTION, 1, [127, 0, 0, 1]));
  assert.deepEqual(count(replyWithAnswers(...local)), [1, 1]);
});

// A reply of 24 KB took 228 ms: each of its names was a chain of thousands of pointers.
Deno.test("filterReply() rejects replies whose names cost too much to read or to write", () => {
  const long = [...Array(126).fill([1, 97]).flat(), 0];
  const chain = [0];
  for (let at = ANSWERS + 12; at < ANSWERS + 12 + 2 * 200; at += 2) {
    const target = chain.length === 1 ? at : at - 1;
    chain.push(0xc0 | target >> 8, target & 255);
  }
  const end = ANSWERS + 12 + chain.length - 2;
  const many = recordOf([0xc0 | end >> 8, end & 255], 1, [192, 0, 2, 1]);
  assert.equal(filter(replyWithAnswers(recordOf(QUESTION, 16, chain), many)), undefined, "200 pointers");
  const names = Array.from({ length: 200 }, () => recordOf(long, 1, [192, 0, 2, 1]));
  assert.equal(filter(replyWithAnswers(...names)), undefined, "50,000 octets of names");
  const pointer = [0xc0, ANSWERS];
  const expanded = [
    recordOf(long, 1, [127, 0, 0, 1]),
    ...Array.from({ length: 400 }, () => recordOf(pointer, 1, [192, 0, 2, 1])),
  ];
  assert.equal(filter(replyWithAnswers(...expanded)), undefined, "100,000 octets with names in full");
  const hints = https("", 0, 4, 17_000 >> 8, 17_000 & 255, ...Array(17_000).fill(9));
  assert.equal(filter(replyWithAnswers(recordOf(QUESTION, 65, hints))), undefined, "4,250 addresses");
});

/** Addresses of this machine and its networks, as the other parser writes them. */
const LOCAL_V4 = /^(0|127|10\.107|169\.254)\./;
const LOCAL_V6 = /^\[(::1?|fe[89ab].*|(::|::ffff:|64:ff9b::)(7f..|a6b|a9fe|0|..?):[^:]+|::ffff:0)\]$/;

/** Reads an HTTPS record, which the other parser does not. */
function serviceLeak(data: Uint8Array): string | undefined {
  const labels: string[] = [];
  let at = 2;
  for (; data[at] !== 0; at += data[at]! + 1) {
    labels.push(`${Buffer.from(data).subarray(at + 1, at + 1 + data[at]!)}`);
  }
  const target = labels.join(".").toLowerCase();
  if (ZONE.has(target)) return target;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  for (at++; at < data.length; at += 4 + view.getUint16(at + 2)) {
    for (let hint = at + 4; view.getUint16(at) === 4 && hint < at + 4 + view.getUint16(at + 2); hint += 4) {
      const text = data.subarray(hint, hint + 4).join(".");
      if (LOCAL_V4.test(text)) return text;
    }
  }
  return undefined;
}

/** The reason why a record of a filtered reply must not be there; undefined if it may. */
function leak({ name, type, data }: DecodedRecord, isAuthority: boolean): string | undefined {
  const lower = name.toLowerCase();
  if (ZONE.has(lower) && !(type === "SOA" && isAuthority)) return `a record of ${name}`;
  if (type === "A" && LOCAL_V4.test(`${data}`)) return `${data}`;
  if (type === "AAAA" && LOCAL_V6.test(new URL(`http://[${data}]`).hostname)) return `${data}`;
  if (data instanceof Uint8Array && type === "UNKNOWN_65") return serviceLeak(data);
  if (type !== "CNAME" && type !== "DNAME") return undefined;
  const target = `${data}`.toLowerCase();
  return ZONE.has(target) || (type === "DNAME" && ZONE.hasNamesBelow(target)) ? target : undefined;
}

Deno.test("filterReply() never throws, and lets nothing through, whatever is mutated (R80)", () => {
  let seed = 1;
  const random = (below: number) => (seed = seed * 48_271 % 2_147_483_647) % below;
  const edns = { type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] };
  const bases = [
    [GOOD, { ...GOOD, data: "127.0.0.1" }],
    [{ type: "CNAME", name: NAME, ttl: 1, data: "api.myapp" }, { ...GOOD, name: "api.myapp" }],
    [{ type: "DNAME", name: "org", ttl: 1, data: "myapp" }, { ...GOOD, type: "AAAA", data: "::1" }],
    [{ ...GOOD, type: "AAAA", data: "2001:db8::1" }, { ...GOOD, type: "AAAA", data: "::ffff:10.107.0.2" }],
  ].flatMap((records) =>
    ["answers", "authorities", "additionals"].map((section) =>
      replyWith({ additionals: [edns], [section]: section === "additionals" ? [...records, edns] : records })
    )
  );
  const service = https("", ...[0, 1, 0, 3, 2, 104, 50], ...[0, 4, 0, 8, 192, 0, 2, 1, 10, 107, 0, 2]);
  for (const data of [service, https("api.myapp"), https("", 0, 4, 0, 4, 192, 0, 2, 1)]) {
    bases.push(replyWithAnswers(recordOf(QUESTION, 65, data)));
  }
  const query = readQuery(message({ name: NAME, additional: [opt()] }))!;
  const found = { replies: 0, records: 0, services: 0, dropped: 0, hidden: 0 };
  for (let count = 0; count < 20_000; count++) {
    const base = bases[count % bases.length]!;
    const reply = base.slice(0, random(4) === 0 ? random(base.length) : base.length);
    for (let edits = random(4); edits > 0; edits--) reply[random(reply.length)] = random(256);
    const filtered = filterReply(reply, { ...RULES, query });
    if (filtered === undefined) continue;
    if (filtered.dropped !== undefined) found.dropped++;
    let read: Decoded;
    try {
      read = decode(filtered.reply);
    } catch {
      found.hidden++;
      continue;
    }
    found.replies++;
    const { answers, authorities, additionals } = read;
    for (const record of [...answers, ...authorities, ...additionals]) {
      found.records++;
      if (record.type === "UNKNOWN_65") found.services++;
      assert.equal(leak(record, authorities.includes(record)), undefined);
    }
  }
  const { replies, records, services, dropped, hidden } = found;
  assert.ok(replies > 5000 && records > 5000 && services > 500 && dropped > 2000, JSON.stringify(found));
  assert.ok(hidden < replies / 4, `${hidden} that the other parser cannot read`);
});
