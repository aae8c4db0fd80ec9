import assert from "node:assert/strict";
import { processFigures } from "../../bench/process_figures.ts";
import { Stage } from "../../sim/stage.ts";
import { clientHello, records } from "../fakes/client_hello.ts";
import { readAll, send, text } from "../fakes/memory_stream.ts";

/** The daemon in network mode on a loopback address; no interface of its own is made for it. */
function stageOn(address: string, more: { net?: string; prelude?: string } = {}): Promise<Stage> {
  const { net = "", prelude } = more;
  return Stage.open({
    sections:
      `net:\n  listen_interface: ${address}\n  subnet: ${address}/16\n${net}bound_endpoints:\n  poll_interval: 1`,
    ...(prelude === undefined ? {} : { prelude }),
  });
}

async function exchange(hostname: string, port: number, bytes: Uint8Array | string): Promise<Uint8Array> {
  using conn = await Deno.connect({ hostname, port });
  await send(conn, bytes);
  await conn.closeWrite();
  return await readAll(conn);
}

function get(host: string): string {
  return `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

Deno.test("shared listeners survive the end of all descriptors at little cost, and serve again within 2 s (F63)", async () => {
  const address = "127.116.0.1";
  await using stage = await stageOn(address, { prelude: "ulimit -n 64" });
  for (const url of ["http://a.test:8080", "http://b.test:8080", "tls://a.test:8443", "tls://b.test:8443"]) {
    stage.cloud.addEndpoint({ url, backend: "echo" });
  }
  stage.startDaemon();
  await stage.settled(4);
  const held: Deno.TcpConn[] = [];
  for (let count = 0; count < 50; count++) {
    for (const port of [8080, 8443]) held.push(await Deno.connect({ hostname: address, port }));
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
  const hello = records(clientHello({ name: "a.test" }));
  await stage.until(
    "http is served again",
    async () => text(await exchange(address, 8080, get("a.test"))) === get("a.test"),
    2000,
  );
  await stage.until(
    "TLS is served again",
    async () => (await exchange(address, 8443, hello)).length === hello.length,
    2000,
  );
  assert.equal((await stage.askList()).length, 4);
});

Deno.test("a port that a shared listener needs, and a full range for tcp, are told of, and tried again, while the others work (F66)", async () => {
  const address = "127.117.0.1";
  const resolvConf = await Deno.readTextFile("/etc/resolv.conf").catch(() => "");
  const holders = [8080, 5432, ...Array.from({ length: 20 }, (_, index) => 9300 + index)].map((port) =>
    Deno.listen({ hostname: address, port })
  );
  await using stage = await stageOn(address, { net: "  start_port: 9300\n" });
  stage.cloud.addEndpoint({ url: "http://a.test:8080", backend: "echo" });
  stage.cloud.addEndpoint({ url: "tls://a.test:8443", backend: "echo" });
  stage.cloud.addEndpoint({ url: "tcp://a.test:5432", backend: "echo" });
  stage.startDaemon();
  await stage.settled(3);
  const rows = new Map((await stage.askList()).map((row) => [row.port, row]));
  assert.deepEqual([8080, 5432, 8443].map((port) => rows.get(port)!.state), ["failed", "failed", "active"]);
  assert.match(rows.get(8080)!.reason, /Cannot bind 127\.117\.0\.1:8080: address is in use/);
  assert.match(rows.get(5432)!.reason, /5432: address is in use.* 20 ports from 9300 up/);
  const hello = records(clientHello({ name: "a.test" }));
  assert.equal((await exchange(address, 8443, hello)).length, hello.length);
  const now = await Deno.readTextFile("/etc/resolv.conf").catch(() => "");
  assert.equal(now, resolvConf, "a stage changes nothing on this machine (it did)");
  for (const holder of holders) holder.close();
  await stage.until(
    "all are served",
    async () => (await stage.askList()).every(({ state }) => state === "active"),
  );
  assert.equal(text(await exchange(address, 8080, get("a.test"))), get("a.test"));
  assert.equal(text(await exchange(address, 5432, "x")), "x");
});
