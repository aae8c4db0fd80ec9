import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { Lan } from "../root/lan.ts";
import { runProgram, shell } from "../root/commands.ts";
import { clientTests } from "./client_tests.ts";

const test = clientTests(import.meta.url, {
  name: "getent of glibc",
  programs: { getent: "libc-bin", dig: "dnsutils" },
});

const RESOLV_CONF = "/etc/resolv.conf";
const LIMIT_MS = 30_000;
const OPTIONS = "options timeout:2 attempts:1\n";

async function getent(name: string): Promise<string> {
  const { stdout } = await runProgram(["timeout", "20", "getent", "ahostsv4", name]);
  return stdout.split(" ")[0]!;
}

/** A daemon whose names resolve by DNS only, on a machine with this resolv.conf. */
async function startWith(resolvConf: string, dns = ""): Promise<Stage> {
  await Deno.writeTextFile(RESOLV_CONF, resolvConf);
  const stage = await Stage.open({
    ...{ shipped: true, pollSeconds: 1 },
    net: "listen_interface: 0.0.0.0",
    dns: `manage_resolv_conf: true\n${dns}`,
  });
  stage.cloud.addEndpoint({ url: "http://a.example.com", backend: "http" });
  stage.startDaemon();
  await stage.until("DNS answers", async () => (await stage.askStatus()).dns.state === "ok", LIMIT_MS);
  return stage;
}

async function untilDriver(stage: Stage, driver: string): Promise<void> {
  const isUsed = async () => {
    const { resolver } = (await stage.askStatus()).dns;
    return resolver.driver === driver && (driver !== "none" || resolver.reason !== null);
  };
  await stage.until(`the resolver is ${driver}`, isUsed, LIMIT_MS);
}

test("network", "resolves other names on a machine that has only IPv6 name servers", async () => {
  const lan = new Lan();
  await lan.create(lan.cidr(1));
  await shell(`/sbin/ip -6 address add fe80::53/64 dev ${lan.link} nodad`);
  const address = `fe80::53%${lan.link}`;
  await using linkLocal = new FakeUpstream(undefined, { address, port: 53 });
  const before = `${OPTIONS}nameserver ${address}\n`;
  await using stage = await startWith(before);
  await untilDriver(stage, "resolv_conf");
  assert.deepEqual((await stage.askStatus()).dns.upstreams, [`[${address}]:53`]);
  assert.equal(await getent("a.example.com"), "127.0.0.1");
  const { stdout } = await runProgram(["dig", "+short", "+tries=1", "@10.107.0.1", "other.example.org"]);
  assert.equal(stdout, "192.0.2.1\n");
  assert.equal(await getent("other.example.org"), "192.0.2.1");
  assert.ok(linkLocal.requests.length > 0);

  await using configured = new FakeUpstream(undefined, { address: "::1" });
  const text = await Deno.readTextFile(stage.configPath);
  // The permission set of this run does not include the new server.
  const changed = text.replace("manage_resolv_conf: true", `$&\n  upstream: ["[::1]:${configured.port}"]`);
  await Deno.writeTextFile(stage.configPath, changed);
  Deno.kill(stage.pid, "SIGHUP");
  const isRejected = async () => (await stage.askStatus()).config.state === "rejected";
  await stage.until("the reload is refused", isRejected, LIMIT_MS);
  assert.match((await stage.ctl(["status"])).stdout, /dns\.upstream.*--allow-net=\[::1\]:[0-9]+/);
  assert.equal(await getent("other.example.org"), "192.0.2.1");
});

test("network", "keeps the name servers of a machine where ngrokd has none to ask", async () => {
  const before = `${OPTIONS}search lan\n`;
  await using stage = await startWith(before);
  await untilDriver(stage, "none");
  assert.equal(await Deno.readTextFile(RESOLV_CONF), before);
  const status = (await stage.ctl(["status"])).stdout;
  assert.match(status, /⚠ DNS of other names: \/etc\/resolv\.conf names no DNS server\n +Set dns\.upstream/);
  assert.match(
    status,
    /⚠ Resolver: .*other names would not resolve, because \/etc\/resolv\.conf names no DNS server/,
  );
  const { stdout } = await runProgram(["dig", "+tries=1", "@10.107.0.1", "other.example.org"]);
  assert.match(stdout, /status: SERVFAIL/);
  assert.match(stdout, /EDE: 14 \(Not Ready\): \(no upstream DNS server is known\)/);

  await using server = new FakeUpstream(undefined, { address: "127.0.0.9", port: 53 });
  await Deno.writeTextFile(RESOLV_CONF, `${before}nameserver ${server.address}\n`);
  await untilDriver(stage, "resolv_conf");
  assert.equal(await getent("other.example.org"), "192.0.2.1");
  assert.equal(await getent("a.example.com"), "127.0.0.1");
  await Deno.writeTextFile(RESOLV_CONF, before);
  await untilDriver(stage, "none");
  assert.equal(await Deno.readTextFile(RESOLV_CONF), before);
});
