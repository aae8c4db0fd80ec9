import assert from "node:assert/strict";
import { type Query, readQuery } from "../../src/dns/query.ts";
import { fitReply } from "../../src/dns/reply.ts";
import { decode, message, opt } from "./messages.ts";

function queryWith(size: number | undefined): Query {
  return readQuery(message({ name: "Big.example", additional: size === undefined ? [] : [opt({ size })] }))!;
}

function replyOf(length: number): Uint8Array {
  const reply = new Uint8Array(length);
  reply.set(message({ name: "Big.example", flags: [0x81, 0x83] }));
  return reply;
}

Deno.test("fitReply() truncates at 512 octets, with EDNS at the size of the client or 1232 (R16)", () => {
  const limits: [number | undefined, number][] = [
    [undefined, 512],
    [0, 512],
    [511, 512],
    [513, 513],
    [1232, 1232],
    [4096, 1232],
    [65_535, 1232],
  ];
  for (const [size, limit] of limits) {
    const query = queryWith(size);
    const whole = replyOf(limit);
    assert.equal(fitReply(whole, query), whole, `${limit} octets fit`);
    const cut = fitReply(replyOf(limit + 1), query);
    const { flag_tc, rcode, id, questions, answers, additionals } = decode(cut);
    assert.deepEqual([flag_tc, rcode, id, answers.length], [true, "NXDOMAIN", 0x1234, 0]);
    assert.equal(questions[0]!.name, "Big.example");
    assert.equal(additionals.length, size === undefined ? 0 : 1);
  }
});
