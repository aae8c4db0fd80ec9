import assert from "node:assert/strict";
import type { HealthReport } from "../../src/model/report.ts";
import { Stage } from "../../sim/stage.ts";
import { readExactly, send } from "../fakes/memory_stream.ts";
import { dial } from "./client.ts";

const TRANSFERS = 10;
const ROUNDS = 5;
const BLOCK = 16 * 1024;

Deno.test("10 transfers lose no byte over 5 renewals, 5 reloads and a failed renewal (R31)", async () => {
  await using stage = await Stage.open();
  stage.cloud.addEndpoint({ url: "tcp://db.renewal:7461", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  let isOver = false;
  const running = Array.from({ length: TRANSFERS }, () => transfer(row!.listen_address, () => isOver));
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
      // A new connection of one block.
      let blocks = 0;
      assert.equal(await transfer(row!.listen_address, () => blocks++ > 0), BLOCK);
      assert.ok(performance.now() - renewedAt < 1000, "a new connection works within 1 s");
      const presented = stage.cloud.upgrades().slice(before).map(({ certSerial }) => certSerial);
      assert.deepEqual(presented, [[...serials].at(-1)], "it presents the new certificate");
      await Deno.writeTextFile(
        stage.configPath,
        `${config}bound_endpoints:\n  poll_interval: ${10 + round}\n`,
      );
      const reloads = () => stage.log.filter((line) => /onfiguration.*(?:appl|reload)/i.test(line)).length;
      await stage.until(`reload ${round} is logged`, () => reloads() >= round);
    }
    stage.cloud.faults.set({ kind: "wrong_key_certificate", route: "operators.update" });
    await assert.rejects(stage.ask("refresh-cert", ["--force"]), /key/);
    const { reasons, certificate } = await stage.ask("health") as HealthReport;
    assert.ok(serials.has(certificate!.serial), "the last good certificate stays in use");
    assert.deepEqual(reasons, [], "the renewal was not due, so nothing is unhealthy");
  })();
  await Promise.race([work, failed]);
  isOver = true;
  const totals = await Promise.all(running);
  assert.equal(serials.size, ROUNDS);
  // The long transfers were never dialled again.
  assert.equal(stage.cloud.upgrades().length, TRANSFERS + ROUNDS);
  assert.ok(totals.every((total) => total > BLOCK), totals.join());
});

/**
 * Sends random blocks to an echo service until `isOver`; returns how many bytes came back
 * unchanged.
 */
async function transfer(address: string, isOver: () => boolean): Promise<number> {
  using conn = await dial(address);
  let total = 0;
  while (!isOver()) {
    const sent = crypto.getRandomValues(new Uint8Array(BLOCK));
    const sending = send(conn, sent);
    const received = await readExactly(conn, BLOCK);
    assert.equal(received.length, BLOCK, `closed after ${total + received.length} bytes`);
    await sending;
    assert.deepEqual(received, sent);
    total += BLOCK;
  }
  return total;
}
