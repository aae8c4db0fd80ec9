import assert from "node:assert/strict";
import type { HealthReport } from "../../src/model/report.ts";
import { Stage } from "../../sim/stage.ts";

const TRANSFERS = 10;
const ROUNDS = 5;
const BLOCK = 16 * 1024;

/** Sends random blocks to an echo server until it is told to end; gives how many bytes came back, each as it was sent. */
async function transfer(listen: string, isOver: () => boolean): Promise<number> {
  const [, hostname = "", port = ""] = /^(.*):(\d+)$/.exec(listen) ?? [];
  using conn = await Deno.connect({ hostname, port: Number(port) });
  const got = new Uint8Array(BLOCK);
  let total = 0;
  while (!isOver()) {
    const sent = crypto.getRandomValues(new Uint8Array(BLOCK));
    const writing = (async () => {
      for (let done = 0; done < BLOCK;) done += await conn.write(sent.subarray(done));
    })();
    for (let done = 0; done < BLOCK;) {
      const count = await conn.read(got.subarray(done));
      assert.notEqual(count, null, `closed after ${total + done} bytes`);
      done += count!;
    }
    await writing;
    assert.deepEqual(got, sent);
    total += BLOCK;
  }
  return total;
}

Deno.test("10 transfers lose no byte over 5 renewals and 5 edits of the configuration, and a broken renewal changes nothing (R31)", async () => {
  await using stage = await Stage.open({ sections: "net:\n  subnet: 127.161.0.0/16" });
  stage.cloud.addEndpoint({ url: "tcp://db.renewal:7461", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  let over = false;
  const running = Array.from({ length: TRANSFERS }, () => transfer(row!.listen_address, () => over));
  const failed = Promise.race(running.map((one) => one.then(() => new Promise<never>(() => {}))));
  const serials = new Set<string>();
  const config = await Deno.readTextFile(stage.configPath);
  const work = (async () => {
    await stage.until("all transfers run", () => stage.cloud.openStreams === TRANSFERS);
    for (let round = 1; round <= ROUNDS; round++) {
      await stage.ask("refresh-cert", ["--force"]);
      const renewedAt = performance.now();
      serials.add((await stage.askStatus()).certificate!.serial);
      const before = stage.cloud.upgrades().length;
      // A connection of its own, begun within a second.
      let asked = 0;
      const bytes = await transfer(row!.listen_address, () => asked++ > 0);
      assert.equal(bytes, BLOCK);
      assert.ok(performance.now() - renewedAt < 1000, "a new connection works within 1 s");
      const presented = stage.cloud.upgrades().slice(before).map(({ certSerial }) => certSerial);
      assert.deepEqual(presented, [[...serials].at(-1)], "it presents the new certificate");
      await Deno.writeTextFile(
        stage.configPath,
        `${config}bound_endpoints:\n  poll_interval: ${10 + round}\n`,
      );
      const reloads = () => stage.log.filter((line) => /onfiguration.*(?:appl|reload)/i.test(line)).length;
      await stage.until(`the edit ${round} counts`, () => reloads() >= round);
    }
    stage.cloud.faults.set({ kind: "wrong_key_certificate", route: "operators.update" });
    await assert.rejects(stage.ask("refresh-cert", ["--force"]), /key/);
    const { reasons, certificate } = await stage.ask("health") as HealthReport;
    assert.ok(serials.has(certificate!.serial), "the last good one stays in use");
    assert.deepEqual(reasons, [], "it was asked for weeks before its time");
  })();
  await Promise.race([work, failed]);
  over = true;
  const totals = await Promise.all(running);
  assert.equal(serials.size, ROUNDS);
  // Those that ran through all of it were never dialled again.
  assert.equal(stage.cloud.upgrades().length, TRANSFERS + ROUNDS);
  assert.ok(totals.every((total) => total > BLOCK), totals.join());
});
