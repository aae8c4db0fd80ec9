// Run by black_hole_test.ts in a network of its own where nothing comes back from 10.9.9.2.
import assert from "node:assert/strict";
import { processFigures } from "../../bench/process_figures.ts";
import { Forwarder } from "../../src/forward/forwarder.ts";
import { RouteTable } from "../../src/model/route_table.ts";
import { connectTls, listenTcp } from "../../src/system/net.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { readAll, send, text } from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { until } from "../fakes/sockets.ts";

Deno.test("an ingress in a black hole costs one wait, then each connection is told at once, and descriptors are not used up", async () => {
  const ca = await TestCa.create();
  const client = await ca.pair();
  await using forwarder = new Forwarder({
    listen: listenTcp,
    connect: connectTls,
    ingress: () => ({ hostname: "10.9.9.2", port: 443 }),
    identity: () => client,
    trust: () => [ca.pem],
    limits: { ingressMs: 400 },
  });
  const port = forwarder.open({ address: "127.0.0.1", port: 0 });
  forwarder.setRoutes(new RouteTable([route("http://api.myapp:80", { localPort: port })]));
  async function get(): Promise<{ answer: string; ms: number }> {
    const since = performance.now();
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await send(conn, "GET / HTTP/1.1\r\nHost: api.myapp\r\n\r\n");
    await conn.closeWrite();
    return { answer: text(await readAll(conn)), ms: performance.now() - since };
  }
  const first = await get();
  assert.match(first.answer, /^HTTP\/1\.1 502 [^]*10\.9\.9\.2:443: no answer/);
  assert.ok(first.ms >= 350 && first.ms < 3000, `${first.ms} ms`);
  const { descriptors } = await processFigures(Deno.pid);
  const all = await Promise.all(Array.from({ length: 100 }, get));
  for (const { answer } of all) assert.match(answer, /^HTTP\/1\.1 502 [^]*it has not answered for/);
  await until(() => forwarder.openConnections === 0);
  const after = (await processFigures(Deno.pid)).descriptors;
  assert.ok(after < descriptors + 20, `descriptors went from ${descriptors} to ${after}`);
});
