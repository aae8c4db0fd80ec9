import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Stage } from "../../sim/stage.ts";
import type { EndpointReport } from "../../src/model/report.ts";
import { type ConnectProxy, connectProxy } from "../fakes/connect_proxy.ts";
import { pattern } from "../fakes/memory_stream.ts";
import { socksProxy } from "../fakes/socks_proxy.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { tlsFront } from "../fakes/tls_front.ts";
import { exchange, get } from "./client.ts";

const PASSWORD = "user:p@ss-w0rd";
const IN_URL = "user:p%40ss-w0rd@";
/** A port that nothing listens on, so that a direct dial fails. */
const INGRESS = "localhost:9";
const API = "api.ngrok.com:443";
/**
 * Without this variable `deno run` looks for updates of itself, through the proxy of the
 * environment.
 */
const NO_UPDATE_CHECK = { DENO_NO_UPDATE_CHECK: "1" };

/** A daemon whose API and ingress can be reached only through a proxy. */
interface ProxiedDaemon extends AsyncDisposable {
  readonly stage: Stage;
  readonly proxy: ConnectProxy;
  /** The URL of the proxy, without user name and password. */
  readonly url: string;
}

interface ProxyOptions {
  /** The user name and password that the proxy demands. */
  readonly credentials?: string;
  /** The user name and password in the URL: `user:password@`. */
  readonly inUrl?: string;
  /** @default {"http"} */
  readonly scheme?: "http" | "https";
}

async function openProxied(options: ProxyOptions = {}): Promise<ProxiedDaemon> {
  const { credentials, inUrl = "", scheme = "http" } = options;
  const environment: Record<string, string> = { ...NO_UPDATE_CHECK };
  const stage = await Stage.open({ cloud: { apiTls: true }, ingress: INGRESS, pollSeconds: 1, environment });
  const proxy = connectProxy();
  proxy.credentials = credentials;
  proxy.targets.set(API, Number(new URL(stage.cloud.apiUrl).port));
  proxy.targets.set(INGRESS, stage.cloud.ingressPort);
  const ca = await TestCa.create();
  const front = scheme === "https" ? tlsFront(proxy.port, await ca.pair()) : undefined;
  // Deno trusts these for the API and for an https proxy.
  environment["DENO_CERT"] = `${stage.etc}/roots.pem`;
  await Deno.writeTextFile(environment["DENO_CERT"], `${stage.cloud.caPem}\n${ca.pem}\n`);
  const address = front === undefined ? `127.0.0.1:${proxy.port}` : `localhost:${front.port}`;
  await stage.editConfig(stage.cloud.apiUrl, "https://api.ngrok.com");
  await stage.editConfig(/^/, `proxy_url: "${scheme}://${inUrl}${address}"\n`);
  return {
    stage,
    proxy,
    url: `${scheme}://${address}`,
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]();
      await front?.[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

async function statusOf(row: EndpointReport | undefined): Promise<number> {
  return (await get(row!.listen_address, `${row!.hostname}:${row!.port}`)).status;
}

/** Demands that nothing that a user can read holds the password. */
async function assertHidden(stage: Stage): Promise<void> {
  const texts = [await stage.ctl(["status"]), await stage.status(), await stage.ask("health"), ...stage.log];
  for (const secret of ["ss-w0rd", btoa(PASSWORD)]) assert.ok(!JSON.stringify(texts).includes(secret));
}

/** The targets of the requests to the proxy, each once. */
function targetsOf(proxy: ConnectProxy): (string | undefined)[] {
  return [...new Set(proxy.heads.map((head) => head.split(" ")[1]))].sort();
}

async function apiBecomes(stage: Stage, state: string): Promise<void> {
  await stage.until(`the API is ${state}`, async () => (await stage.askStatus()).api.state === state);
}

for (const scheme of ["http", "https"] as const) {
  Deno.test(`ngrokd reaches API and ingress through an ${scheme} proxy, and shows its password nowhere`, async () => {
    await using daemon = await openProxied({ credentials: PASSWORD, inUrl: IN_URL, scheme });
    const { stage, proxy, url } = daemon;
    stage.cloud.addEndpoint({ url: "http://api.myapp:8281", backend: "http" });
    stage.cloud.addEndpoint({ url: "tcp://echo.myapp:7281", backend: "echo" });
    stage.startDaemon();
    const rows = await stage.settled(2);
    const http = rows.find((row) => row.url.startsWith("http:"));
    const echo = rows.find((row) => row.url.startsWith("tcp:"))!;
    assert.equal(await statusOf(http), 200);
    const data = pattern(6_000_000);
    const echoed = await Promise.all([1, 2, 3].map(() => exchange(echo.listen_address, data)));
    for (const bytes of echoed) assert.ok(Buffer.from(bytes).equals(data));

    const use = { url, source: "config" };
    assert.deepEqual((await stage.status()).proxy, { api: use, ingress: use, notes: [] });
    const printed = await stage.ctl(["status"]);
    for (const label of ["API proxy", "Ingress proxy"]) {
      assert.match(printed.stdout, new RegExp(`${label}: +${url} \\(config\\)`));
    }
    assert.ok(
      stage.log.some((line) => line.includes(`Using proxy ${url} for the ingress (config)`)),
    );
    await assertHidden(stage);
    assert.deepEqual(targetsOf(proxy), [API, INGRESS]);
  });
}

Deno.test("ngrokd reaches API and ingress through a socks5 proxy, and shows its password nowhere", async () => {
  await using daemon = await openProxied();
  const { stage, proxy } = daemon;
  await using socks = socksProxy();
  socks.credentials = PASSWORD;
  for (const [target, port] of proxy.targets) socks.targets.set(target, port);
  const address = `127.0.0.1:${socks.port}`;
  await stage.editConfig(/^proxy_url: .*$/m, `proxy_url: "socks5://${IN_URL}${address}"`);
  stage.cloud.addEndpoint({ url: "tcp://echo.myapp:7281", backend: "echo" });
  stage.startDaemon();
  const [echo] = await stage.settled(1);
  const data = pattern(60_000);
  assert.deepEqual(await exchange(echo!.listen_address, data), data);
  const use = { url: `socks5://${address}`, source: "config" };
  assert.deepEqual((await stage.askStatus()).proxy, { api: use, ingress: use, notes: [] });
  await assertHidden(stage);
  assert.deepEqual([...new Set(socks.asked)].sort(), [API, INGRESS]);
  assert.deepEqual(proxy.heads, []);
});

Deno.test("status and errors show HTTPS_PROXY with its name and without its password", async () => {
  await using daemon = await openProxied({ credentials: PASSWORD });
  const { stage, proxy, url } = daemon;
  await stage.editConfig(/^proxy_url: .*\n/, "");
  stage.startDaemon({
    environment: { https_proxy: url.replace("://", `://${IN_URL}`), ALL_PROXY: "socks5://a.example" },
  });
  await apiBecomes(stage, "ok");
  assert.deepEqual((await stage.status()).proxy, {
    api: { url, source: "https_proxy" },
    ingress: null,
    notes: ["ALL_PROXY is not used: https_proxy has priority"],
  });
  const printed = await stage.ctl(["status"]);
  assert.match(printed.stdout, new RegExp(`API proxy: +${url} \\(https_proxy\\)`));
  assert.match(printed.stdout, /Proxy note: +ALL_PROXY is not used: https_proxy has priority/);
  assert.ok(
    stage.log.some((line) => line.includes(`Using proxy ${url} for the API (https_proxy)`)),
  );
  const failsWith = (error: RegExp, hint: RegExp) =>
    stage.until(`${error} shows`, async () => {
      const { api } = await stage.askStatus();
      return error.test(api.error ?? "") && hint.test(api.hint ?? "");
    });
  proxy.credentials = "user:other";
  await failsWith(/refused the user name or password \(407\)$/, /^Correct them in https_proxy/);
  proxy.stop();
  await failsWith(/: connection refused$/, /^Check https_proxy/);
  await assertHidden(stage);
});

Deno.test("without its proxy ngrokd keeps the listeners, reports why, and recovers with the proxy", async () => {
  await using daemon = await openProxied();
  const { stage, proxy } = daemon;
  stage.cloud.addEndpoint({ url: "http://api.myapp:8282", backend: "http" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  assert.equal(await statusOf(row), 200);
  proxy.stop();
  await apiBecomes(stage, "unreachable");
  assert.match(
    (await stage.askStatus()).api.error!,
    /through the proxy http:\/\/127\.0\.0\.1:\d+: connection refused/,
  );
  assert.equal(await statusOf(row), 502);
  const { ingress } = await stage.askStatus();
  assert.match(ingress.error!, /^Cannot connect to localhost:9 through the proxy .*: connection refused$/);
  assert.match(ingress.hint!, /proxy_url/);
  assert.equal((await stage.askList())[0]!.state, "active");
  proxy.start();
  assert.equal(await statusOf(row), 200);
  await apiBecomes(stage, "ok");
});

Deno.test("a wrong proxy password is reported for API and ingress, and the right one repairs it", async () => {
  await using daemon = await openProxied({ inUrl: "user:wrong@" });
  const { stage, proxy } = daemon;
  stage.cloud.addEndpoint({ url: "http://api.myapp:8283", backend: "http" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  proxy.credentials = "user:right";
  assert.equal(await statusOf(row), 502);
  await stage.until("API and ingress show it", async () => {
    const { api, ingress } = await stage.askStatus();
    return [api, ingress].every(({ error }) => error?.includes("refused the user name or password (407)"));
  });
  await stage.editConfig("user:wrong@", "user:right@");
  await stage.until("the new password is used", async () => await statusOf(row) === 200);
  await apiBecomes(stage, "ok");
});

for (const scheme of ["http", "https"]) {
  Deno.test(`no proxy of environment or configuration is used for an ${scheme} API on this machine`, async () => {
    await using proxy = countingListener();
    const url = `http://127.0.0.1:${proxy.port}`;
    const environment: Record<string, string> = {
      ...NO_UPDATE_CHECK,
      HTTP_PROXY: url,
      HTTPS_PROXY: url,
      ALL_PROXY: url,
    };
    const cloud = { apiTls: scheme === "https" };
    await using stage = await Stage.open({ cloud, pollSeconds: 1, environment });
    environment["DENO_CERT"] = `${stage.etc}/ca.pem`;
    stage.cloud.addEndpoint({ url: "http://api.myapp:8284", backend: "http" });
    stage.startDaemon();
    const [row] = await stage.settled(1);
    assert.equal(await statusOf(row), 200);
    const { notes, ...used } = (await stage.askStatus()).proxy;
    assert.deepEqual(used, { api: null, ingress: null });
    assert.match(notes.join(), /^HTTPS_PROXY: not used for https?:\/\/[a-z0-9.]+, which is this machine$/);
    assert.equal(proxy.bytes(), 0);
    await stage.editConfig(/^/, `proxy_url: "${url}"\n`);
    Deno.kill(stage.pid, "SIGHUP");
    await stage.until("proxy_url is in use", async () => (await stage.askStatus()).proxy.ingress !== null);
    const { last_poll: before } = (await stage.askStatus()).api;
    await stage.until("another poll", async () => {
      const { api } = await stage.askStatus();
      return api.state === "ok" && api.last_poll !== before;
    });
    assert.equal((await stage.askStatus()).proxy.api, null);
    assert.equal(proxy.bytes(), 0);
  });
}

Deno.test("HTTPS_PROXY applies to the API only; NO_PROXY overrides it, but not proxy_url", async () => {
  await using daemon = await openProxied();
  const { stage, proxy, url } = daemon;
  const original = await Deno.readTextFile(stage.configPath);
  await stage.editConfig(/^proxy_url: .*\n/, "");
  await stage.editConfig(INGRESS, `localhost:${stage.cloud.ingressPort}`);
  stage.cloud.addEndpoint({ url: "http://api.myapp:8285", backend: "http" });
  stage.startDaemon({ environment: { HTTPS_PROXY: url } });
  const [row] = await stage.settled(1);
  assert.equal(await statusOf(row), 200);
  assert.deepEqual(targetsOf(proxy), [API]);
  await stage.stopDaemon();
  const before = proxy.heads.length;
  stage.startDaemon({ environment: { HTTPS_PROXY: url, NO_PROXY: ".ngrok.com" } });
  await apiBecomes(stage, "unreachable");
  assert.equal(proxy.heads.length, before);
  assert.deepEqual((await stage.askStatus()).proxy, {
    api: null,
    ingress: null,
    notes: ['HTTPS_PROXY is not used: NO_PROXY has ".ngrok.com"'],
  });
  await Deno.writeTextFile(stage.configPath, original);
  Deno.kill(stage.pid, "SIGHUP");
  await apiBecomes(stage, "ok");
  assert.deepEqual((await stage.askStatus()).proxy.notes, [
    "HTTPS_PROXY is not used: proxy_url has priority",
    "NO_PROXY is not used: it does not apply to proxy_url",
  ]);
});

/** A listener that counts the bytes it receives, and answers nothing. */
function countingListener(): AsyncDisposable & { readonly port: number; bytes(): number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let bytes = 0;
  const accepting = (async () => {
    for (;;) {
      const conn = await listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      bytes += await conn.read(new Uint8Array(1000)).catch(() => 0) ?? 0;
      conn.close();
    }
  })();
  return {
    port: listener.addr.port,
    bytes: () => bytes,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
    },
  };
}
