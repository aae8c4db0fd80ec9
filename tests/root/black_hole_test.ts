import assert from "node:assert/strict";
import { processFigures } from "../../bench/process_figures.ts";
import { DialError } from "../../src/model/errors.ts";
import { connectTls } from "../../src/system/connect_tls.ts";
import { route } from "../fakes/routes.ts";
import { until } from "../fakes/sockets.ts";
import { startForwarder } from "../fakes/start_forwarder.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { shell } from "./commands.ts";
import { Lan } from "./lan.ts";
import { rootTests } from "./test_root.ts";

const test = rootTests(import.meta.url);

test("an ingress that drops every packet costs one timeout, and no descriptors (F60)", async () => {
  const lan = new Lan();
  const hostname = lan.address(2);
  await lan.create(lan.cidr(1));
  await shell(`/sbin/ip neigh add ${hostname} lladdr 02:00:00:00:00:99 dev ${lan.link} nud permanent`);
  const client = await (await TestCa.create()).pair();
  await using started = startForwarder([route("http://api.myapp:80")], {
    connect: connectTls,
    ingress: () => ({ hostname, port: 443 }),
    clientPair: () => client,
    limits: { ingressMs: 400 },
  });
  async function get(): Promise<{ answer: string; ms: number }> {
    const since = performance.now();
    const answer = await started.ask("GET / HTTP/1.1\r\nHost: api.myapp\r\n\r\n");
    return { answer, ms: performance.now() - since };
  }
  const first = await get();
  assert.match(first.answer, new RegExp(`^HTTP/1\\.1 502 [^]*${hostname}:443: no response within`));
  assert.ok(first.ms >= 350 && first.ms < 3000, `${first.ms} ms`);
  const { descriptors } = await processFigures(Deno.pid);
  const all = await Promise.all(Array.from({ length: 100 }, get));
  for (const { answer } of all) assert.match(answer, /^HTTP\/1\.1 502 [^]*it has not answered for/);
  await until(() => started.forwarder.openConnections === 0);
  const after = (await processFigures(Deno.pid)).descriptors;
  assert.ok(after < descriptors + 20, `descriptors went from ${descriptors} to ${after}`);
});

test("an ingress without a route is unreachable, whoever says so", async () => {
  await shell(`
/sbin/ip link set lo up
/sbin/ip route add unreachable 198.51.100.0/24
/sbin/ip route add prohibit 203.0.113.0/24`);
  const { cert, key } = await (await TestCa.create()).pair();
  for (const hostname of ["192.0.2.1", "198.51.100.1", "203.0.113.1"]) {
    await assert.rejects(
      connectTls({ hostname, port: 443, cert, key, caCerts: [], timeoutMs: 2000 }),
      (error) => error instanceof DialError && error.code === "unreachable",
      hostname,
    );
  }
});
