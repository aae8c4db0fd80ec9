import assert from "node:assert/strict";
import { percentile } from "../../bench/statistics.ts";
import { Stage } from "../../sim/stage.ts";
import { FakeUpstream, replyUnlessSilent } from "../dns/fake_upstream.ts";
import { shell } from "../root/commands.ts";
import { Neighbour } from "../root/neighbour.ts";
import { rootTests } from "../root/test_root.ts";
import type { ForgedQueries, HonestReply } from "./forged_dns_queries.ts";

/** Addresses of 256 networks, so that the rate limit of a network stops none of them. */
const SENDERS = Array.from({ length: 256 }, (_, network) => `10.9.${network}.7`);
/** A query that waits for the slot of a silent one takes up to 5 s. */
const MAX_P99_MS = 2000;
const test = rootTests(import.meta.url, { etc: true });

// 200 queries a second filled the table, and honest ones got SERVFAIL.
test("queries with forged senders take no slot from honest ones (R79)", async () => {
  // As long as a recursive server on the internet takes.
  await using upstream = new FakeUpstream(replyUnlessSilent, { delayMs: 100 });
  await using neighbour = await Neighbour.open();
  const { lan } = neighbour;
  await neighbour.succeeds(["/sbin/ip", "route", "add", "local", "10.9.0.0/16", "dev", "lo"]);
  await shell(`/sbin/ip route add 10.9.0.0/16 via ${lan.address(2)}`);
  await using stage = await Stage.open({
    shipped: true,
    dns: `upstream: ["127.0.0.1:${upstream.port}"]`,
    net: "listen_interface: 0.0.0.0",
  });
  stage.cloud.addEndpoint({ url: "tls://a.example.com:443", backend: "tls" });
  stage.startDaemon();
  await stage.active(1);
  await stage.until("DNS is ok", async () => (await stage.askStatus()).dns.state === "ok");
  for (const [perSecond, fillMs] of [[200, 5000], [600, 1000]] as const) {
    const queries: ForgedQueries = {
      ...{ server: lan.address(1), senders: SENDERS, perSecond, fillMs },
      ...{ honest: 100, honestFrom: lan.address(2) },
    };
    const printed = await neighbour.succeeds([
      ...[Deno.execPath(), "run", "-P=test", "--no-prompt", "--no-check", "--quiet"],
      new URL("forged_dns_queries.ts", import.meta.url).pathname,
      JSON.stringify(queries),
    ]);
    const replies: HonestReply[] = JSON.parse(printed);
    const failed = replies.filter(({ rcode }) => rcode !== "NOERROR");
    assert.deepEqual(failed, [], `${failed.length} of ${replies.length} at ${perSecond} a second`);
    const p99 = percentile(replies.map(({ ms }) => ms), 99);
    assert.ok(p99 < MAX_P99_MS, `${p99} ms at ${perSecond} a second`);
  }
});
