import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import packet from "dns-packet";
import { filterReply } from "../../src/dns/filter_reply.ts";
import { localAddressText } from "../../src/dns/local_address.ts";
import { readQuery } from "../../src/dns/query.ts";
import { Zone } from "../../src/dns/zone.ts";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { decode, type Decoded, message, opt } from "./messages.ts";

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

/** A reply with one answer in wire form, whose name is that of the question. */
function replyWithRecord(type: number, data: readonly number[]): Uint8Array {
  const record = [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 255, ...data];
  const reply = new Uint8Array([...replyWith({}), ...record]);
  reply[7] = 1;
  return reply;
}

function filter(
  reply: Uint8Array,
  { isAllowed = false, query = QUERY } = {},
): { reply: Decoded; dropped: string | undefined } | undefined {
  const filtered = filterReply(reply, { ...RULES, query, allowsPrivate: () => isAllowed });
  return filtered && { reply: decode(filtered.reply), dropped: filtered.dropped };
}

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
    const answers = section === "answers" ? [alias, ours] : [alias];
    const { reply, dropped } = filter(replyWith({ [section]: [ours], answers }), { isAllowed: true })!;
    assert.equal(dropped, "api.myapp is a name of an endpoint");
    assert.deepEqual(reply.answers.map(({ type }) => type), ["CNAME"]);
    assert.deepEqual([reply.authorities.length, reply.additionals.length], [0, 0]);
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
        [https("", ...alpn, 0, 4, 0, 4, 192, 0, 2, 1), undefined],
      ] as const
    ) {
      const filtered = filterReply(replyWithRecord(type, data), { ...RULES, query: QUERY })!;
      assert.equal(filtered.dropped, reason);
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

Deno.test("filterReply() never throws, and lets no local address through, whatever is mutated", () => {
  let seed = 1;
  const random = (below: number) => (seed = seed * 48_271 % 2_147_483_647) % below;
  const base = replyWith({
    answers: [{ ...GOOD, data: "127.0.0.1" }, { type: "CNAME", name: NAME, ttl: 1, data: "api.myapp" }],
    additionals: [{ type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] }],
  });
  const query = readQuery(message({ name: NAME, additional: [opt()] }))!;
  for (let count = 0; count < 20_000; count++) {
    const reply = base.slice(0, random(4) === 0 ? random(base.length) : base.length);
    for (let edits = random(4); edits >= 0; edits--) reply[random(reply.length)] = random(256);
    const filtered = filterReply(reply, { ...RULES, query });
    if (filtered === undefined) continue;
    let read: Decoded;
    try {
      read = decode(filtered.reply);
    } catch {
      continue;
    }
    for (const { type, data } of read.answers) {
      assert.ok(type !== "A" || !/^(127|0|10\.107)\./.test(`${data}`));
    }
  }
});
