import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";

/** So few descriptors that some hundred connections take them all. */
const FEW = "ulimit -n 200";
const LACK = "Too many open files";
const HEALTH_LACK = "Cannot accept health requests";

async function withDaemon(attack: (stage: Stage, listenAddress: string) => Promise<void>): Promise<void> {
  await using stage = await Stage.open({ prelude: FEW });
  stage.cloud.addEndpoint({ url: "tcp://db.internal:8182", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.active(1);
  await attack(stage, row!.listen_address);
}

/** Opens connections that send nothing. */
async function openSilent(address: string, count: number): Promise<Deno.Conn[]> {
  const [hostname = "", port] = address.split(":");
  const conns: Deno.Conn[] = [];
  for (let n = 0; n < count; n++) conns.push(await Deno.connect({ hostname, port: Number(port) }));
  return conns;
}

/** Probes the health server as a supervisor does, and returns the time in milliseconds. */
async function probe(stage: Stage, limitMs: number): Promise<number> {
  const start = performance.now();
  const response = await fetch(`http://127.0.0.1:${stage.healthPort}/health`, {
    signal: AbortSignal.timeout(limitMs),
  });
  assert.equal(await response.text(), "healthy\n");
  return performance.now() - start;
}

// They took all descriptors of the daemon.
Deno.test("silent connections to the health server starve neither it nor the endpoints (R70)", async () => {
  await withDaemon(async (stage, listenAddress) => {
    for (let slice = 0; slice < 7; slice++) {
      const silent = await openSilent(`127.0.0.1:${stage.healthPort}`, 1000);
      await probe(stage, 2_000);
      const [conn] = await openSilent(listenAddress, 1);
      await conn!.write(new TextEncoder().encode("ping"));
      assert.equal(await conn!.read(new Uint8Array(8)), 4);
      for (const one of [conn!, ...silent]) one.close();
    }
    assert.doesNotMatch(stage.log.join("\n"), /Cannot accept/);
  });
});

// One EMFILE ended the health server for good.
Deno.test("a lack of descriptors stops the health server only as long as it lasts (R70)", async () => {
  await withDaemon(async (stage, listenAddress) => {
    const logged = (text: string) => stage.log.some((line) => line.includes(text));
    const silent = await openSilent(listenAddress, 400);
    await stage.until("no descriptor is left", () => logged(LACK));
    // The health server tries to accept these while none is left.
    silent.push(...await openSilent(`127.0.0.1:${stage.healthPort}`, 60));
    const waiting = probe(stage, 30_000);
    await stage.until("the health server lacks one too", () => logged(HEALTH_LACK));
    for (const conn of silent) conn.close();
    await waiting;
    assert.ok(await probe(stage, 5_000) < 1_000);
  });
});

// They delayed honest requests by 13 s.
Deno.test("clients that pipeline 8,000 requests do not delay a health probe (R70)", async () => {
  await withDaemon(async (stage) => {
    const request = "HEAD /status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const bytes = new TextEncoder().encode(request.repeat(8000));
    const attackers = Array.from({ length: 4 }, async () => {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port: stage.healthPort });
      for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
    });
    const times = [];
    for (let n = 0; n < 20; n++) times.push(await probe(stage, 2_000));
    await Promise.allSettled(attackers);
    assert.ok(Math.max(...times) < 1_000, times.join(" "));
  });
});
