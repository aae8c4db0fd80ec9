import assert from "node:assert/strict";
import { fuzzDns } from "../long/fuzz_dns.ts";
import { hostileMessage } from "../long/dns/hostile.ts";
import { replyTo } from "../../src/dns/reply_to.ts";
import { addressRecord, Zone } from "../../src/dns/zone.ts";
import { benchNames } from "../long/dns/names.ts";
import { SeededRandom } from "../../sim/cloud/seeded_random.ts";
import { decode } from "./messages.ts";

Deno.test("DnsServer survives 6,000 hostile messages by UDP, TCP and from upstream (F49)", async () => {
  const { goodAnswers, rssMiB } = await fuzzDns({ count: 5_000, warmUp: 1_000, seed: 4 });
  assert.ok(goodAnswers >= 150, `${goodAnswers} good answers`);
  assert.ok(rssMiB.after - rssMiB.before < 64, `${rssMiB.before} → ${rssMiB.after} MiB`);
});

Deno.test("replyTo() replies to 4,000 hostile messages with small valid messages or not at all (F49)", () => {
  const random = new SeededRandom(5);
  const zone = new Zone(benchNames());
  const localRecord = addressRecord("127.0.0.1");
  let answered = 0;
  for (let count = 0; count < 4_000; count++) {
    const bytes = hostileMessage(random);
    const reply = replyTo(bytes, { zone, localRecord, recursion: false });
    if (reply === undefined) continue;
    assert.ok(reply instanceof Uint8Array);
    assert.ok(reply.length <= 3 * bytes.length);
    if (decode(reply).answers.length > 0) answered++;
  }
  assert.ok(answered > 80, `only ${answered} are answered with a record`);
});
