import assert from "node:assert/strict";
import type { Config } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/schema.ts";
import { DnsController } from "../../src/dns/controller.ts";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { BindError } from "../../src/model/errors.ts";
import type { StatusReport } from "../../src/model/report.ts";
import { RouteTable } from "../../src/model/route_table.ts";
import { NoResolver } from "../../src/names/resolver/no_resolver.ts";
import type { Resolver, ResolverOutcome, ResolverRequest } from "../../src/names/resolver/resolver.ts";
import { ResolverChain } from "../../src/names/resolver/resolver_chain.ts";
import { RESOLV_CONF } from "../../src/names/select.ts";
import { realSystem } from "../../src/system/system.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { askUdp, TcpClient } from "./client.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { FakeUdp, idleListener } from "./fake_sockets.ts";
import { FakeUpstream } from "./fake_upstream.ts";
import { decode, message, replyTo } from "./messages.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { route } from "../fakes/routes.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { takeLoopbackNetwork } from "../../sim/loopback_network.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

const ELSEWHERE = "192.0.2.1";

/** A machine with a DNS server on a loopback address that leaves the real resolver alone. */
async function dnsMachine(
  upstream: FakeUpstream,
): Promise<{ made: FakeMachine; server: string; port: number }> {
  const network = takeLoopbackNetwork();
  const server = network.address("0.53");
  const port = freePort(server);
  const made = await FakeMachine.create({
    network,
    dns: [
      "enabled: true",
      `listen: "${server}:${port}"`,
      `upstream: ["${upstream.address}:${upstream.port}"]`,
    ].join("\n"),
  });
  return { made, server, port };
}

/** A port that is free by UDP and TCP. @throws {BindError} If `port` is not free. */
function freePort(address: string, port = 0): number {
  for (let attempt = 1;; attempt++) {
    const tcp = listenTcp({ address, port });
    try {
      listenUdp({ address, port: tcp.port }).close();
      return tcp.port;
    } catch (error) {
      // A port that is free by TCP can be in use by UDP.
      if (port !== 0 || attempt === 20) throw error;
    } finally {
      tcp.close();
    }
  }
}

async function edit(machine: FakeMachine, from: string | RegExp, to: string): Promise<void> {
  const text = await Deno.readTextFile(machine.configPath);
  const next = text.replace(from, to);
  assert.notEqual(next, text);
  await Deno.writeTextFile(machine.configPath, next);
  machine.signal("SIGHUP");
}

/** The addresses in the answer. */
async function lookUp(name: string, where: { server: string; port: number }): Promise<unknown[]> {
  const { server, port } = where;
  const { rcode, answers } = decode(await askUdp(message({ name }), { server, port, timeoutMs: 1000 }));
  assert.equal(rcode, "NOERROR", name);
  return answers.map(({ data }) => data);
}

async function dnsOf(machine: FakeMachine): Promise<StatusReport["dns"]> {
  return (await machine.askStatus()).dns;
}

Deno.test("runDaemon() answers the names of its endpoints by DNS and forwards other names", async () => {
  await using upstream = new FakeUpstream();
  const { made, server, port } = await dnsMachine(upstream);
  await using machine = made;
  const { cloud } = machine;
  const { id } = cloud.addEndpoint({ url: "http://api.myapp:8391", backend: "http" });
  cloud.addEndpoint({ url: "tcp://db.internal:8392", backend: "echo" });
  await withDaemon(machine, async () => {
    await machine.until("both are served", async () => (await machine.askStatus()).active_count === 2);
    const ips = new Map((await machine.askList()).map((row) => [row.hostname, row.ip]));
    for (const name of ["api.myapp", "db.internal"]) {
      assert.deepEqual(await lookUp(name, { server, port }), [ips.get(name)]);
    }
    using client = await TcpClient.connect(port, server);
    const byTcp = decode((await client.exchange(message({ name: "API.MyApp" })))!);
    assert.deepEqual(byTcp.answers.map(({ data }) => data), [ips.get("api.myapp")]);
    assert.deepEqual(await lookUp("other.org", { server, port }), [ELSEWHERE]);
    assert.deepEqual(await dnsOf(machine), {
      state: "ok",
      names: 2,
      addresses: [{ address: `${server}:${port}`, error: null }],
      upstreams: [`127.0.0.1:${upstream.port}`],
      forwarding: { error: null, hint: null },
      unresolved: [],
      unresolved_count: 0,
      // Every name is in the hosts file too, so that this machine does not need the server.
      resolver: { driver: "none", target: "", reason: null, hint: null },
    });
    assert.equal(upstream.requests.length, 1, "queries for names of endpoints are not forwarded");

    cloud.removeEndpoint(id);
    await machine.until(
      "its name is not ours any more",
      async () => (await lookUp("api.myapp", { server, port }))[0] === ELSEWHERE,
    );
    assert.deepEqual(await lookUp("db.internal", { server, port }), [ips.get("db.internal")]);
    assert.equal((await dnsOf(machine)).names, 1);
  });
  freePort(server, port);
});

Deno.test("runDaemon() answers DNS on the addresses of a reloaded configuration only", async () => {
  await using upstream = new FakeUpstream();
  const { made, server, port } = await dnsMachine(upstream);
  await using machine = made;
  machine.cloud.addEndpoint({ url: "http://api.myapp:8393", backend: "http" });
  await withDaemon(machine, async () => {
    await machine.until("it is served", async () => (await machine.askStatus()).active_count === 1);
    assert.equal((await lookUp("api.myapp", { server, port })).length, 1);
    const at54 = machine.network.address("0.54");
    const next = { server: at54, port: freePort(at54) };
    await edit(machine, `${server}:${port}`, `${next.server}:${next.port}`);
    await machine.until(
      "it answers there",
      async () => (await dnsOf(machine)).addresses[0]!.address === `${next.server}:${next.port}`,
    );
    assert.equal((await lookUp("api.myapp", next)).length, 1);
    freePort(server, port);

    await using second = new FakeUpstream((request) => [replyTo(request, { addresses: ["192.0.2.2"] })]);
    await edit(machine, `"127.0.0.1:${upstream.port}"`, `"127.0.0.1:${second.port}"`);
    await machine.until(
      "another server is asked",
      async () => (await lookUp("other.org", next))[0] === "192.0.2.2",
    );

    await edit(machine, "enabled: true", "enabled: false");
    await machine.until("it is off", async () => (await dnsOf(machine)).state === "off");
    freePort(next.server, next.port);
    assert.deepEqual(await dnsOf(machine), {
      state: "off",
      names: 1,
      addresses: [],
      upstreams: [],
      forwarding: { error: null, hint: null },
      unresolved: [],
      unresolved_count: 0,
      resolver: { driver: "none", target: "", reason: null, hint: null },
    });
  });
});

Deno.test("runDaemon() serves endpoints while its DNS port is in use, and binds it when it is free (F53)", async () => {
  await using upstream = new FakeUpstream();
  const { made, server, port } = await dnsMachine(upstream);
  await using machine = made;
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8394", backend: "http" });
  const holder = listenUdp({ address: server, port });
  await withDaemon(machine, async () => {
    await machine.until("it is served", async () => (await machine.askStatus()).active_count === 1);
    const held = `Cannot bind ${server}:${port}: address is in use`;
    const { state, addresses } = await dnsOf(machine);
    assert.deepEqual([state, addresses], ["failing", [{ address: `${server}:${port}`, error: held }]]);
    assert.ok(machine.log.some((line) => line.includes("Cannot answer DNS queries") && line.includes(held)));
    holder.close();
    cloud.addEndpoint({ url: "http://new.myapp:8395", backend: "http" });
    await machine.until("it answers", async () => (await lookUp("new.myapp", { server, port })).length === 1);
    assert.equal((await dnsOf(machine)).state, "ok");
    const logged = machine.log.filter((line) => line.includes(held));
    assert.equal(logged.length, 1, logged.join(""));
  });
});

Deno.test("runDaemon() answers every name during 50 reloads under queries (F56)", async () => {
  await using upstream = new FakeUpstream();
  const { made, server, port } = await dnsMachine(upstream);
  await using machine = made;
  for (const url of ["http://api.myapp:8396", "http://web.myapp:8397"]) {
    machine.cloud.addEndpoint({ url, backend: "http" });
  }
  await withDaemon(machine, async () => {
    await machine.until("both are served", async () => (await machine.askStatus()).active_count === 2);
    const ips = new Map((await machine.askList()).map((row) => [row.hostname, row.ip]));
    let over = false;
    async function queries(name: string): Promise<number> {
      let count = 0;
      for (; !over; count++) assert.deepEqual(await lookUp(name, { server, port }), [ips.get(name)]);
      return count;
    }
    const running = Promise.all(["api.myapp", "web.myapp", "api.myapp"].map(queries));
    const reloads = () => machine.log.filter((line) => line.includes("Configuration reloaded")).length;
    try {
      for (let count = 1; count <= 50; count++) {
        await edit(machine, /net:\n(?: *start_port.*\n)?/, `net:\n  start_port: ${9000 + count}\n`);
        await Promise.race([running, machine.until("it is reloaded", () => reloads() === count)]);
      }
    } finally {
      over = true;
    }
    const counts = await running;
    assert.equal(reloads(), 50);
    assert.ok(counts.every((count) => count >= 50), `${counts}`);
  });
});

/** DNS on a machine with this resolv.conf; `listens` returns true if an address can be bound. */
function dnsOn(
  config: Config,
  options: { listens: (address: string) => boolean; resolvConf?: string; resolver?: Resolver },
): DnsController {
  const { listens, resolvConf, resolver = new NoResolver("not here") } = options;
  const system = realSystem();
  return new DnsController({
    system: {
      ...system,
      listenUdp: (where) => new FakeUdp(where),
      listenTcp({ address, port }) {
        const key = `${address}:${port}`;
        if (!listens(address)) {
          throw new BindError(`Cannot bind ${key}: address is in use`, { address: key, reason: "in_use" });
        }
        return idleListener({ address, port });
      },
      localAddresses: () => [],
      files: {
        ...system.files,
        readTextIfAny: (path) => Promise.resolve(path === RESOLV_CONF ? resolvConf : undefined),
      },
    },
    config: () => config,
    subnet: () => parseCidr("10.107.0.0/16")!,
    resolver: new ResolverChain([resolver]),
    resolveInterface: () => undefined,
    refuses: () => false,
  });
}

Deno.test("DnsController forwards to the owner of an address that it cannot bind, never to itself", async () => {
  const { config } = parseConfig({ net: { listen_interface: "eth0" } });
  const resolvConf = "nameserver 10.107.0.1\nnameserver 127.0.0.1\n";
  let held = true;
  const dns = dnsOn(config, { listens: (address) => !held || address !== "127.0.0.1", resolvConf });
  await dns.refresh();
  assert.equal(dns.report.state, "degraded");
  assert.deepEqual(dns.report.upstreams, ["127.0.0.1:53"]);
  held = false;
  await dns.refresh();
  assert.equal(dns.report.state, "ok");
  assert.deepEqual(dns.report.upstreams, []);
  assert.equal(dns.report.forwarding.error, "/etc/resolv.conf names this server only");
  await dns.close();
});

Deno.test("DnsController forwards to no server, and logs it once, if only itself is configured", async () => {
  await using logged = await captureLog();
  const { config } = parseConfig({ dns: { enabled: true, upstream: ["10.107.0.1:53"] } });
  const dns = dnsOn(config, { listens: () => true, resolvConf: "nameserver 192.168.1.1\n" });
  await dns.refresh();
  await dns.refresh();
  assert.deepEqual(dns.report.upstreams, []);
  assert.deepEqual(logged.lines("warning"), [
    "Cannot forward other DNS queries: dns.upstream names this server only",
  ]);
  await dns.close();
});

Deno.test("DnsController tells the resolver whether other names can be forwarded, and status why not", async () => {
  const { config } = parseConfig({ dns: { enabled: true } });
  const requests: ResolverRequest["noUpstream"][] = [];
  const outcome = { changed: false, refused: new Map() };
  const resolver: Resolver = {
    kind: "fake",
    label: "/etc/fake",
    apply({ noUpstream }) {
      requests.push(noUpstream);
      return Promise.resolve<ResolverOutcome>(outcome);
    },
    withdraw: () => Promise.resolve<ResolverOutcome>(outcome),
  };
  const errors: (string | null)[] = [];
  for (const resolvConf of ["search lan\n", "nameserver 2001:db8::1\n"]) {
    const dns = dnsOn(config, { listens: () => true, resolver, resolvConf });
    dns.setRoutes(new RouteTable([route("https://*.a.test:443")]));
    await dns.refresh();
    errors.push(dns.report.forwarding.error);
    await dns.close();
  }
  const problem = "/etc/resolv.conf names no DNS server";
  assert.deepEqual(requests, [{ problem, hint: "Set dns.upstream: ngrokctl config edit" }, undefined]);
  assert.deepEqual(errors, [problem, null]);
});

Deno.test("DnsController retries a port in use every 10 s, and logs it once (F53)", async () => {
  await using logged = await captureLog();
  using time = fakeClock();
  const { config } = parseConfig({ dns: { enabled: true, listen: "127.0.0.1:53" } });
  let tries = 0;
  const dns = dnsOn(config, { listens: () => ++tries === 0 });
  const stop = new AbortController();
  const running = dns.run(stop.signal);
  await time.pass(0);
  assert.equal(tries, 1);
  await time.pass(9_999);
  assert.equal(tries, 1);
  await time.pass(1);
  assert.equal(tries, 2);
  await time.pass(20_000);
  assert.equal(tries, 4);
  assert.equal(logged.lines("error").length, 1);
  assert.equal(dns.report.state, "failing");
  stop.abort();
  await running;
  await dns.close();
  await dns.refresh();
  assert.equal(tries, 4, "nothing is bound after close()");
});

Deno.test("DnsController reports a resolver that it cannot withdraw, but not while DNS is off", async () => {
  await using logged = await captureLog();
  const problem = "Cannot change /etc/fake: no space left on the disk";
  const outcome = { changed: false, problem, refused: new Map() };
  const resolver: Resolver = {
    kind: "fake",
    label: "/etc/fake",
    apply: () => Promise.resolve<ResolverOutcome>(outcome),
    withdraw: () => Promise.resolve<ResolverOutcome>(outcome),
  };
  for (const [enabled, reason] of [[true, problem], [false, null]] as const) {
    const dns = dnsOn(parseConfig({ dns: { enabled } }).config, {
      ...{ listens: () => true, resolver, resolvConf: "nameserver 192.168.1.1\n" },
    });
    await dns.refresh();
    assert.deepEqual([dns.report.state, dns.report.resolver.reason], [enabled ? "ok" : "off", reason]);
    await dns.close();
  }
  assert.equal(logged.lines("warning").length, 2);
});

Deno.test("DnsController reports names that do not resolve, and logs each change once", async () => {
  await using logged = await captureLog();
  const { config } = parseConfig({ dns: { enabled: true } });
  const outcome = { changed: false, refused: new Map<string, string>() };
  const resolver: Resolver = {
    kind: "fake",
    label: "/etc/fake",
    apply: () => Promise.resolve<ResolverOutcome>(outcome),
    withdraw: () => Promise.resolve({ ...outcome, refused: new Map() }),
  };
  const resolvConf = "nameserver 192.168.1.1\n";
  const dns = dnsOn(config, { listens: () => true, resolver, resolvConf });
  await dns.refresh();
  assert.deepEqual([dns.unresolved.size, dns.report.resolver.reason], [0, null]);
  dns.setRoutes(new RouteTable([route("https://*.a.test:443")]));
  outcome.refused = new Map([["*.a.test", "no room"]]);
  for (let round = 0; round < 3; round++) await dns.refresh();
  const reason = "*.a.test does not resolve on this machine: no room";
  assert.deepEqual([...dns.unresolved], [["*.a.test", "no room"]]);
  assert.equal(dns.report.resolver.reason, reason);
  assert.deepEqual([dns.report.unresolved, dns.report.unresolved_count], [[reason], 1]);
  assert.deepEqual(logged.lines("warning"), ["Some names do not resolve on this machine"]);
  assert.equal(logged.records.at(-1)!.properties["error"], "no room");

  outcome.refused.set("c.test", "no room, but the hosts file has it");
  await dns.refresh();
  assert.equal(dns.report.unresolved_count, 1);
  outcome.refused.delete("c.test");
  outcome.refused.set("*.b.test", "no room either");
  await dns.refresh();
  assert.equal(dns.report.resolver.reason, `${reason} (and 1 more)`);
  assert.equal(logged.lines("warning").length, 3);
  await dns.close();
});
