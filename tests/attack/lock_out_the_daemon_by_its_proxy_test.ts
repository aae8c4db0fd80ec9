import assert from "node:assert/strict";
import { flagsOfSet, permissionFlags } from "../../scripts/permission_flags.ts";
import { Stage } from "../../sim/stage.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { decode, replyTo } from "../dns/messages.ts";
import { type ConnectProxy, connectProxy } from "../fakes/connect_proxy.ts";
import { shell } from "../root/commands.ts";
import { rootTests } from "../root/test_root.ts";

const test = rootTests(import.meta.url, { etc: true });

/** Only the DNS knows it, not the hosts file. */
const PROXY = "proxy.office.test";
const DOMAIN = "home.test";
/** The names that the DNS has. */
const PROXIES: readonly string[] = [PROXY, `proxy.${DOMAIN}`];
const RESOLVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
const INGRESS = "localhost:9";

const CREDENTIALS = "user:secret-word";

/** Lines of the configuration, and the environment. */
interface Settings {
  readonly config: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The name by which the daemon connects to the proxy. @default {PROXY} */
  readonly host?: string;
  /** Lines of the section `net:`. */
  readonly net?: string;
}

/** The ways to set a proxy, by its port. */
const SOURCES: Readonly<Record<string, (port: number) => Settings>> = {
  "in proxy_url": (port) => ({
    config: `proxy_url: "http://${CREDENTIALS}@${PROXY}:${port}"\n`,
    environment: {},
  }),
  "in HTTPS_PROXY": (port) => ({
    config: "",
    environment: { HTTPS_PROXY: `http://${CREDENTIALS}@${PROXY}:${port}` },
  }),
};

/** Waits until the daemon has made `count` more requests to the API through the proxy. */
async function untilPolled({ stage, proxy }: Victim, count: number): Promise<void> {
  const wanted = stage.cloud.requests().length + count;
  await stage.until(
    "more polls through the proxy",
    () => Promise.resolve(stage.cloud.requests().length >= wanted),
  );
  assert.ok(proxy.heads.length > 0);
}

/** A daemon that reaches its API and ingress only through a proxy, of which only the DNS knows. */
interface Victim extends AsyncDisposable {
  readonly stage: Stage;
  readonly proxy: ConnectProxy;
  /** Starts the daemon, which may connect to the proxy by its name. */
  start(): void;
}

async function openVictim(settings: (port: number) => Settings): Promise<Victim> {
  const proxy = connectProxy();
  proxy.credentials = CREDENTIALS;
  const dns = new FakeUpstream((request) => {
    const isProxy = PROXIES.includes(decode(request).questions[0]!.name.toLowerCase());
    return [replyTo(request, isProxy ? { addresses: ["127.0.0.1"] } : { rcode: 3 })];
  }, { port: 53 });
  await Deno.writeTextFile("/etc/resolv.conf", `search ${DOMAIN}\n${RESOLVER}`);
  await Deno.writeTextFile("/etc/hosts", "127.0.0.1 localhost\n");
  const { config, environment, host = PROXY, net = "" } = settings(proxy.port);
  const stage = await Stage.open({
    cloud: { apiTls: true },
    ingress: INGRESS,
    pollSeconds: 1,
    net,
    environment: { ...environment, NGROKD_HOSTS_PATH: "/etc/hosts", DENO_NO_UPDATE_CHECK: "1" },
  });
  const roots = `${stage.etc}/roots.pem`;
  await Deno.writeTextFile(roots, stage.cloud.caPem);
  proxy.targets.set("api.ngrok.com:443", Number(new URL(stage.cloud.apiUrl).port));
  proxy.targets.set(INGRESS, stage.cloud.ingressPort);
  await stage.editConfig(stage.cloud.apiUrl, "https://api.ngrok.com");
  await stage.editConfig(/^/, config);
  const flags = permissionFlags("ngrokd", [
    ...flagsOfSet("ngrokd_dns"),
    `--allow-read=${stage.directory}`,
    `--allow-write=${stage.directory}`,
    `--allow-net=unix:${stage.socketPath}`,
    `--allow-net=${host}:${proxy.port}`,
  ]);
  return {
    stage,
    proxy,
    start: () => stage.startDaemon({ flags, environment: { DENO_CERT: roots } }),
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]();
      await dns[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

for (const [source, settings] of Object.entries(SOURCES)) {
  // An endpoint with the proxy's name got the next Proxy-Authorization, and the daemon never
  // reached its API again, also after a restart.
  test(`an account takes neither the proxy ${source} nor its credentials (R56)`, async () => {
    await using victim = await openVictim(settings);
    const { stage, proxy, start } = victim;
    start();
    await untilPolled(victim, 1);
    for (const name of [PROXY, "*.office.test", "*.test"]) {
      stage.cloud.addEndpoint({ url: `tcp://${name}:${proxy.port}`, backend: "echo" });
    }
    stage.cloud.addEndpoint({ url: `tcp://good.office.test:${proxy.port}`, backend: "echo" });
    const rows = await stage.settled(4);
    const reasons = rows.filter(({ state }) => state === "refused").map(({ reason }) => reason).sort();
    assert.deepEqual(reasons, [
      `"*.office.test" covers "${PROXY}", a name that the daemon itself connects to`,
      `"*.test" covers "${PROXY}", a name that the daemon itself connects to`,
      `"${PROXY}" is a name that the daemon itself connects to`,
    ]);
    await untilPolled(victim, 3);
    const hosts = await Deno.readTextFile("/etc/hosts");
    assert.ok(hosts.includes("\tgood.office.test\n") && !hosts.includes(PROXY), hosts);

    assert.equal(await stage.stopDaemon(), 0);
    start();
    await untilPolled(victim, 3);
    assert.equal(await stage.stopDaemon(), 0);
  });
}

// The resolver asks for proxy.home.test, too: its owner got Proxy-Authorization.
test("an account takes no proxy by a search domain, below an allowed wildcard either (R56)", async () => {
  await using victim = await openVictim((port) => ({
    config: `proxy_url: "http://${CREDENTIALS}@proxy:${port}"\n`,
    environment: {},
    host: "proxy",
    net: `allow_names: ["*.${DOMAIN}"]`,
  }));
  const { stage, proxy, start } = victim;
  await stage.editConfig(
    /manage_resolv_conf: false/,
    `manage_resolv_conf: true\n  allow_private: [proxy.${DOMAIN}]`,
  );
  const names = [`proxy.${DOMAIN}`, `api.ngrok.com.${DOMAIN}`, `*.com.${DOMAIN}`, `*.${DOMAIN}`];
  for (const name of names) stage.cloud.addEndpoint({ url: `tcp://${name}:${proxy.port}`, backend: "echo" });
  start();
  const rows = await stage.settled(names.length);
  const refused = rows.filter(({ state }) => state === "refused").map(({ url }) => new URL(url).hostname);
  assert.deepEqual(refused.sort(), names.slice(0, 3).sort());
  await stage.until(
    "the wildcard resolves",
    async () => (await shell(`getent hosts x.${DOMAIN} || true`)) !== "",
  );
  assert.match(await shell("getent hosts proxy"), /^127\.0\.0\.1 /);
  await untilPolled(victim, 3);
  assert.equal(await stage.stopDaemon(), 0);
});

test("an account that has a name already gives it up before a proxy of that name is used (R56)", async () => {
  await using victim = await openVictim((port) => ({
    config: "",
    environment: { HTTPS_PROXY: `http://${CREDENTIALS}@127.0.0.1:${port}` },
  }));
  const { stage, proxy, start } = victim;
  stage.cloud.addEndpoint({ url: `tcp://${PROXY}:${proxy.port}`, backend: "echo" });
  start();
  await stage.active(1);
  assert.ok((await Deno.readTextFile("/etc/hosts")).includes(PROXY));
  await stage.editConfig(/^/, `proxy_url: "http://${CREDENTIALS}@${PROXY}:${proxy.port}"\n`);
  await stage.until("the name is refused", async () => (await stage.askList())[0]?.state === "refused");
  await untilPolled(victim, 3);
  assert.ok(!stage.log.join().includes("Cannot poll"), stage.log.join("\n"));
  assert.equal(await stage.stopDaemon(), 0);
});
