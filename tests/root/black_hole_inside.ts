// Run by black_hole_test.ts in a network of its own where nothing comes back from 10.9.9.2.
import assert from "node:assert/strict";
import { processFigures } from "../../bench/process_figures.ts";
import { connectTls } from "../../src/system/net.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { route } from "../fakes/routes.ts";
import { until } from "../fakes/sockets.ts";
import { startForwarder } from "../fakes/start_forwarder.ts";

Deno.test("an ingress in a black hole costs one wait, then each connection is told at once, and descriptors are not used up", async () => {
  const client = await (await TestCa.create()).pair();
  await using it = startForwarder([route("http://api.myapp:80")], {
    connect: connectTls,
    ingress: () => ({ hostname: "10.9.9.2", port: 443 }),
    identity: () => client,
    limits: { ingressMs: 400 },
  });
  async function get(): Promise<{ answer: string; ms: number }> {
    const since = performance.now();
    return {
      answer: await it.ask("GET / HTTP/1.1\r\nHost: api.myapp\r\n\r\n"),
      ms: performance.now() - since,
    };
  }
  const first = await get();
  assert.match(first.answer, /^HTTP\/1\.1 502 [^]*10\.9\.9\.2:443: no answer/);
  assert.ok(first.ms >= 350 && first.ms < 3000, `${first.ms} ms`);
  const { descriptors } = await processFigures(Deno.pid);
  const all = await Promise.all(Array.from({ length: 100 }, get));
  for (const { answer } of all) assert.match(answer, /^HTTP\/1\.1 502 [^]*it has not answered for/);
  await until(() => it.forwarder.openConnections === 0);
  const after = (await processFigures(Deno.pid)).descriptors;
  assert.ok(after < descriptors + 20, `descriptors went from ${descriptors} to ${after}`);
});
