import assert from "node:assert/strict";
import { permissionFlags } from "../../scripts/permission_flags.ts";
import { Stage } from "../../sim/stage.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { decode, replyTo } from "../dns/messages.ts";
import { type ConnectProxy, connectProxy } from "../fakes/connect_proxy.ts";
import { rootTests } from "../root/test_root.ts";

const test = rootTests(import.meta.url, { etc: true });

/** Only the DNS knows it, not the hosts file. */
const PROXY = "proxy.office.test";
const INGRESS = "localhost:9";

/** The ways to set a proxy: lines of the configuration, and the environment. */
const SOURCES: Readonly<
  Record<string, (url: string) => { config: string; environment: Record<string, string> }>
> = {
  "in proxy_url": (url) => ({ config: `proxy_url: "${url}"\n`, environment: {} }),
  "in HTTPS_PROXY": (url) => ({ config: "", environment: { HTTPS_PROXY: url } }),
};

/** Waits until the daemon has made `count` more requests to the API through the proxy. */
async function untilPolled(stage: Stage, proxy: ConnectProxy, count: number): Promise<void> {
  const wanted = stage.cloud.requests().length + count;
  await stage.until(
    "more polls through the proxy",
    () => Promise.resolve(stage.cloud.requests().length >= wanted),
  );
  assert.ok(proxy.heads.length > 0);
}

for (const [source, settings] of Object.entries(SOURCES)) {
  // An endpoint with the proxy's name got the next Proxy-Authorization, and the daemon never
  // reached its API again, also after a restart.
  test(`an account takes neither the proxy ${source} nor its credentials (R56)`, async () => {
    await using proxy = connectProxy();
    proxy.credentials = "user:secret-word";
    await using _dns = new FakeUpstream((request) => {
      const isProxy = decode(request).questions[0]!.name.toLowerCase() === PROXY;
      return [replyTo(request, isProxy ? { addresses: ["127.0.0.1"] } : { rcode: 3 })];
    }, { port: 53 });
    await Deno.writeTextFile("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    await Deno.writeTextFile("/etc/hosts", "127.0.0.1 localhost\n");
    const { config, environment } = settings(`http://user:secret-word@${PROXY}:${proxy.port}`);
    const stage = await Stage.open({
      cloud: { apiTls: true },
      ingress: INGRESS,
      pollSeconds: 1,
      environment: { ...environment, NGROKD_HOSTS_PATH: "/etc/hosts", DENO_NO_UPDATE_CHECK: "1" },
    });
    await using _stage = stage;
    await Deno.writeTextFile(`${stage.etc}/roots.pem`, stage.cloud.caPem);
    proxy.targets.set("api.ngrok.com:443", Number(new URL(stage.cloud.apiUrl).port));
    proxy.targets.set(INGRESS, stage.cloud.ingressPort);
    await stage.editConfig(stage.cloud.apiUrl, "https://api.ngrok.com");
    await stage.editConfig(/^/, config);
    const flags = permissionFlags("ngrokd", [
      `--allow-read=${stage.directory}`,
      `--allow-write=${stage.directory}`,
      `--allow-net=unix:${stage.socketPath}`,
      `--allow-net=${PROXY}:${proxy.port}`,
    ]);
    const start = () => stage.startDaemon({ flags, environment: { DENO_CERT: `${stage.etc}/roots.pem` } });
    start();
    await untilPolled(stage, proxy, 1);
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
    await untilPolled(stage, proxy, 3);
    const hosts = await Deno.readTextFile("/etc/hosts");
    assert.ok(hosts.includes("\tgood.office.test\n") && !hosts.includes(PROXY), hosts);

    assert.equal(await stage.stopDaemon(), 0);
    start();
    await untilPolled(stage, proxy, 3);
    assert.equal(await stage.stopDaemon(), 0);
  });
}
