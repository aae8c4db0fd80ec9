import assert from "node:assert/strict";
import { processFigures } from "../../bench/process_figures.ts";
import { Stage } from "../../sim/stage.ts";
import { clientHello, records } from "../fakes/client_hello.ts";
import { text } from "../fakes/memory_stream.ts";
import { dial, exchange } from "./client.ts";

const GET = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const HELLO = records(clientHello({ name: "a.test" }));

/** A daemon in network mode on a loopback address; this needs no interface. */
function openShared(options: { net?: string; prelude?: string }): Promise<Stage> {
  const { net = "", ...more } = options;
  return Stage.open({
    ...more,
    pollSeconds: 1,
    net: (network) => `listen_interface: ${network.address("0.1")}\n${net}`,
  });
}

/** Waits until an echo service behind a shared listener answers. */
async function untilServed(stage: Stage, address: string, timeoutMs?: number): Promise<void> {
  const isServed = async (port: number, data: Uint8Array | string) =>
    text(await exchange(`${address}:${port}`, data)) === (typeof data === "string" ? data : text(data));
  await stage.until("http is served", () => isServed(8080, GET), timeoutMs);
  await stage.until("TLS is served", () => isServed(8443, HELLO), timeoutMs);
}

Deno.test("shared listeners without descriptors cost little CPU, and serve again within 2 s (F63)", async () => {
  await using stage = await openShared({ prelude: "ulimit -n 64" });
  const address = stage.network.address("0.1");
  for (const url of ["http://a.test:8080", "http://b.test:8080", "tls://a.test:8443", "tls://b.test:8443"]) {
    stage.cloud.addEndpoint({ url, backend: "echo" });
  }
  stage.startDaemon();
  await stage.settled(4);
  const held: Deno.TcpConn[] = [];
  for (let count = 0; count < 50; count++) {
    for (const port of [8080, 8443]) held.push(await dial(`${address}:${port}`));
  }
  for (const port of [8080, 8443]) {
    await stage.until(
      `port ${port} has no descriptor`,
      () => stage.log.some((line) => line.includes("Cannot accept connections") && line.includes(`:${port}`)),
    );
  }
  const before = await processFigures(stage.pid);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const used = (await processFigures(stage.pid)).cpuSeconds - before.cpuSeconds;
  assert.ok(used < 0.5, `${used} s of CPU in a second`);
  for (const conn of held) conn.close();
  await untilServed(stage, address, 2000);
  assert.equal((await stage.askList()).length, 4);
});

Deno.test("a port in use and a full range for tcp are reported and retried; others are served (F66)", async () => {
  const resolvConf = await Deno.readTextFile("/etc/resolv.conf").catch(() => "");
  await using stage = await openShared({ net: "start_port: 9300" });
  const address = stage.network.address("0.1");
  const holders = [8080, 5432, ...Array.from({ length: 20 }, (_, index) => 9300 + index)].map((port) =>
    Deno.listen({ hostname: address, port })
  );
  stage.cloud.addEndpoint({ url: "http://a.test:8080", backend: "echo" });
  stage.cloud.addEndpoint({ url: "tls://a.test:8443", backend: "echo" });
  stage.cloud.addEndpoint({ url: "tcp://a.test:5432", backend: "echo" });
  stage.startDaemon();
  await stage.settled(3);
  const rows = new Map((await stage.askList()).map((row) => [row.port, row]));
  assert.deepEqual([8080, 5432, 8443].map((port) => rows.get(port)!.state), ["failed", "failed", "degraded"]);
  assert.ok(rows.get(8080)!.reason.includes(`Cannot bind ${address}:8080: address is in use`));
  assert.match(rows.get(5432)!.reason, /5432: address is in use.* 20 ports from 9300 up/);
  assert.deepEqual(await exchange(`${address}:8443`, HELLO), HELLO);
  const now = await Deno.readTextFile("/etc/resolv.conf").catch(() => "");
  // A stage once changed it.
  assert.equal(now, resolvConf, "the resolv.conf of this machine is unchanged");
  for (const holder of holders) holder.close();
  await stage.until(
    "all are active",
    async () => (await stage.askList()).every(({ state }) => state === "active"),
  );
  await untilServed(stage, address);
  assert.equal(text(await exchange(`${address}:5432`, "x")), "x");
});
