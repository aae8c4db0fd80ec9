import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Stage } from "../../sim/stage.ts";
import type { EndpointReport } from "../../src/model/report.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { type ConnectProxy, connectProxy } from "../fakes/connect_proxy.ts";
import { socksProxy } from "../fakes/socks_proxy.ts";
import { tlsFront } from "../fakes/tls_front.ts";

const SECTIONS = "net:\n  subnet: 127.131.0.0/16\nbound_endpoints:\n  poll_interval: 1";
const PASSWORD = "user:p@ss-w0rd";
const IN_URL = "user:p%40ss-w0rd@";
/** Nothing listens there: whoever dials it directly gets nowhere. */
const INGRESS = "localhost:9";
const API = "api.ngrok.com:443";
/** `deno run` asks for newer versions of itself, by the proxy of the environment. */
const NO_UPDATE_CHECK = { DENO_NO_UPDATE_CHECK: "1" };

interface World extends AsyncDisposable {
  readonly stage: Stage;
  readonly proxy: ConnectProxy;
  /** Of the proxy, without user name and password. */
  readonly url: string;
}

/** How the daemon is told of its proxy. */
interface WorldOptions {
  /** What the proxy demands. */
  readonly credentials?: string;
  /** What the URL holds: `user:password@`. */
  readonly inUrl?: string;
  /** @default {"http"} */
  readonly scheme?: "http" | "https";
}

/** A daemon as a process with its shipped permissions, for which API and ingress are to be had through the proxy only. */
async function behindProxy({ credentials, inUrl = "", scheme = "http" }: WorldOptions = {}): Promise<World> {
  const environment: Record<string, string> = { ...NO_UPDATE_CHECK };
  const stage = await Stage.open({
    cloud: { apiTls: true },
    ingress: INGRESS,
    sections: SECTIONS,
    environment,
  });
  const proxy = connectProxy();
  proxy.credentials = credentials;
  proxy.targets.set(API, Number(new URL(stage.cloud.apiUrl).port));
  proxy.targets.set(INGRESS, stage.cloud.ingressPort);
  const ca = await TestCa.create();
  const front = scheme === "https" ? tlsFront(proxy.port, await ca.pair()) : undefined;
  // Trusted for the API and for an https proxy.
  const roots = environment["DENO_CERT"] = `${stage.etc}/roots.pem`;
  await Deno.writeTextFile(roots, `${stage.cloud.caPem}\n${ca.pem}\n`);
  const text = (await Deno.readTextFile(stage.configPath)).replace(
    stage.cloud.apiUrl,
    "https://api.ngrok.com",
  );
  const at = front === undefined ? `127.0.0.1:${proxy.port}` : `localhost:${front.port}`;
  await Deno.writeTextFile(stage.configPath, `proxy_url: "${scheme}://${inUrl}${at}"\n${text}`);
  return {
    stage,
    proxy,
    url: `${scheme}://${at}`,
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]();
      await front?.[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

function connect({ listen_address }: EndpointReport): Promise<Deno.TcpConn> {
  const [hostname, port] = listen_address.split(":");
  return Deno.connect({ hostname: hostname!, port: Number(port) });
}

/** Sends all, half-closes, and reads to the end. */
async function exchange(row: EndpointReport, sent: Uint8Array): Promise<Uint8Array> {
  const conn = await connect(row);
  // With the streams of the web, the end of one direction can end the other.
  const writing = (async () => {
    for (let done = 0; done < sent.length;) done += await conn.write(sent.subarray(done));
    await conn.closeWrite();
  })();
  const got = new Uint8Array(sent.length);
  let count = 0;
  for (let n; count < got.length && (n = await conn.read(got.subarray(count))) !== null;) count += n;
  await writing;
  assert.equal(await conn.read(new Uint8Array(1)), null);
  conn.close();
  return got.subarray(0, count);
}

async function statusOf(row: EndpointReport): Promise<string> {
  const request = `GET / HTTP/1.1\r\nHost: ${row.hostname}:${row.port}\r\nConnection: close\r\n\r\n`;
  const conn = await connect(row);
  await conn.write(new TextEncoder().encode(request));
  return (await new Response(conn.readable).text()).split("\r\n")[0]!;
}

async function withoutProxyUrl(stage: Stage, ingress = INGRESS): Promise<void> {
  const text = await Deno.readTextFile(stage.configPath);
  await Deno.writeTextFile(stage.configPath, text.replace(/^proxy_url: .*\n/, "").replace(INGRESS, ingress));
}

function assertHidden(text: string): void {
  for (const secret of ["ss-w0rd", btoa(PASSWORD)]) assert.ok(!text.includes(secret), text);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** All that a user can read of a daemon. */
async function shownBy(stage: Stage): Promise<string> {
  const texts = [await stage.ctl(["status"]), await stage.status(), await stage.ask("health")];
  return JSON.stringify([...texts, ...stage.log]);
}

for (const scheme of ["http", "https"] as const) {
  Deno.test(`ngrokd reaches API and ingress through an ${scheme} proxy with a password, and shows the password nowhere`, async () => {
    await using world = await behindProxy({ credentials: PASSWORD, inUrl: IN_URL, scheme });
    const { stage, proxy, url } = world;
    stage.cloud.addEndpoint({ url: "http://api.myapp:8281", backend: "http" });
    stage.cloud.addEndpoint({ url: "tcp://echo.myapp:7281", backend: "echo" });
    stage.startDaemon();
    const rows = await stage.settled(2);
    const http = rows.find((row) => row.url.startsWith("http:"))!;
    const echo = rows.find((row) => row.url.startsWith("tcp:"))!;
    assert.equal(await statusOf(http), "HTTP/1.1 200 OK");

    const sent = crypto.getRandomValues(new Uint8Array(60_000));
    const big = new Uint8Array(6_000_000);
    for (let at = 0; at < big.length; at += sent.length) big.set(sent, at);
    for (const got of await Promise.all([exchange(echo, big), exchange(echo, big), exchange(echo, big)])) {
      assert.equal(sha256(got), sha256(big));
    }

    const use = { url, source: "config" };
    assert.deepEqual((await stage.status()).proxy, { api: use, ingress: use, notes: [] });
    const printed = await stage.ctl(["status"]);
    for (const label of ["API proxy", "Ingress proxy"]) {
      assert.match(printed.stdout, new RegExp(`${label}: +${url} \\(config\\)`));
    }
    assert.ok(
      stage.log.some((line) => line.includes(`Using proxy ${url} for the ingress (config)`)),
    );
    assertHidden(await shownBy(stage));
    const asked = new Set(proxy.heads.map((head) => head.split(" ")[1]));
    assert.deepEqual([...asked].sort(), [API, INGRESS]);
  });
}

Deno.test("ngrokd reaches API and ingress through a socks5 proxy with a password, and shows the password nowhere", async () => {
  await using world = await behindProxy();
  const { stage, proxy } = world;
  await using socks = socksProxy();
  socks.credentials = PASSWORD;
  for (const [target, port] of proxy.targets) socks.targets.set(target, port);
  const text = await Deno.readTextFile(stage.configPath);
  const url = `socks5://127.0.0.1:${socks.port}`;
  await Deno.writeTextFile(
    stage.configPath,
    text.replace(/^proxy_url: .*$/m, `proxy_url: "${url.replace("://", `://${IN_URL}`)}"`),
  );
  stage.cloud.addEndpoint({ url: "tcp://echo.myapp:7281", backend: "echo" });
  stage.startDaemon();
  const [echo] = await stage.settled(1);
  const sent = crypto.getRandomValues(new Uint8Array(60_000));
  assert.equal(sha256(await exchange(echo!, sent)), sha256(sent));
  const use = { url, source: "config" };
  assert.deepEqual((await stage.askStatus()).proxy, { api: use, ingress: use, notes: [] });
  assertHidden(await shownBy(stage));
  assert.deepEqual([...new Set(socks.asked)].sort(), [API, INGRESS]);
  assert.deepEqual(proxy.heads, []);
});

Deno.test("HTTPS_PROXY with a password is shown with its name but without its password, and so are its failures", async () => {
  await using world = await behindProxy({ credentials: PASSWORD });
  const { stage, proxy, url } = world;
  await withoutProxyUrl(stage);
  stage.startDaemon({
    environment: { https_proxy: url.replace("://", `://${IN_URL}`), ALL_PROXY: "socks5://a.example" },
  });
  await stage.until("the API answers", async () => (await stage.askStatus()).api.state === "ok");
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
  await failsWith(/refuses the user name or password \(407\)$/, /^Correct them in https_proxy/);
  proxy.stop();
  await failsWith(/: connection refused$/, /^Check https_proxy/);
  assertHidden(await shownBy(stage));
});

Deno.test("with its proxy gone ngrokd keeps the listeners and says why, and it mends itself when the proxy is back", async () => {
  await using world = await behindProxy();
  const { stage, proxy } = world;
  stage.cloud.addEndpoint({ url: "http://api.myapp:8282", backend: "http" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  assert.equal(await statusOf(row!), "HTTP/1.1 200 OK");
  proxy.stop();
  await stage.until("the failure shows", async () => (await stage.askStatus()).api.state === "unreachable");
  assert.match(
    (await stage.askStatus()).api.error!,
    /through the proxy http:\/\/127\.0\.0\.1:\d+: connection refused/,
  );
  assert.equal(await statusOf(row!), "HTTP/1.1 502 Bad Gateway");
  const { ingress } = await stage.askStatus();
  assert.match(ingress.error!, /^Cannot connect to localhost:9 through the proxy .*: connection refused$/);
  assert.match(ingress.hint!, /proxy_url/);
  assert.equal((await stage.askList())[0]!.state, "active");
  proxy.start();
  assert.equal(await statusOf(row!), "HTTP/1.1 200 OK");
  await stage.until("the API is asked again", async () => (await stage.askStatus()).api.state === "ok");
});

Deno.test("a wrong password of the proxy is said for API and ingress, and the right one in the file mends it", async () => {
  await using world = await behindProxy({ inUrl: "user:wrong@" });
  const { stage, proxy } = world;
  stage.cloud.addEndpoint({ url: "http://api.myapp:8283", backend: "http" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  proxy.credentials = "user:right";
  assert.equal(await statusOf(row!), "HTTP/1.1 502 Bad Gateway");
  await stage.until("API and ingress show it", async () => {
    const { api, ingress } = await stage.askStatus();
    return [api, ingress].every(({ error }) => error?.includes("refuses the user name or password (407)"));
  });
  const text = await Deno.readTextFile(stage.configPath);
  await Deno.writeTextFile(stage.configPath, text.replace("user:wrong@", "user:right@"));
  await stage.until("the new password is used", async () => await statusOf(row!) === "HTTP/1.1 200 OK");
  await stage.until("the API is asked again", async () => (await stage.askStatus()).api.state === "ok");
});

for (const apiTls of [false, true]) {
  Deno.test(`a proxy of the environment gets no byte of a request to an ${apiTls ? "https" : "http"} API on this machine, and proxy_url none either`, async () => {
    await using proxy = countingListener();
    const url = `http://127.0.0.1:${proxy.port}`;
    const environment: Record<string, string> = {
      ...NO_UPDATE_CHECK,
      HTTP_PROXY: url,
      HTTPS_PROXY: url,
      ALL_PROXY: url,
    };
    await using stage = await Stage.open({ cloud: { apiTls }, sections: SECTIONS, environment });
    environment["DENO_CERT"] = `${stage.etc}/ca.pem`;
    stage.cloud.addEndpoint({ url: "http://api.myapp:8284", backend: "http" });
    stage.startDaemon();
    const [row] = await stage.settled(1);
    assert.equal(await statusOf(row!), "HTTP/1.1 200 OK");
    const { notes, ...ways } = (await stage.askStatus()).proxy;
    assert.deepEqual(ways, { api: null, ingress: null });
    assert.match(notes.join(), /^HTTPS_PROXY: not used for https?:\/\/[a-z0-9.]+, which is this machine$/);
    assert.equal(proxy.bytes(), 0);
    const text = await Deno.readTextFile(stage.configPath);
    await Deno.writeTextFile(stage.configPath, `proxy_url: "${url}"\n${text}`);
    Deno.kill(stage.pid, "SIGHUP");
    await stage.until("proxy_url is taken up", async () => (await stage.askStatus()).proxy.ingress !== null);
    const polled = (await stage.askStatus()).api.last_poll;
    await stage.until("a poll", async () => {
      const { api } = await stage.askStatus();
      return api.state === "ok" && api.last_poll !== polled;
    });
    assert.equal((await stage.askStatus()).proxy.api, null);
    assert.equal(proxy.bytes(), 0);
  });
}

Deno.test("HTTPS_PROXY carries the API but not the ingress, and NO_PROXY takes the API out of it but not out of proxy_url", async () => {
  await using world = await behindProxy();
  const { stage, proxy, url } = world;
  const original = await Deno.readTextFile(stage.configPath);
  await withoutProxyUrl(stage, `localhost:${stage.cloud.ingressPort}`);
  stage.cloud.addEndpoint({ url: "http://api.myapp:8285", backend: "http" });
  stage.startDaemon({ environment: { HTTPS_PROXY: url } });
  const [row] = await stage.settled(1);
  assert.equal(await statusOf(row!), "HTTP/1.1 200 OK");
  assert.deepEqual([...new Set(proxy.heads.map((head) => head.split(" ")[1]))], [API]);
  await stage.stopDaemon();
  const before = proxy.heads.length;
  stage.startDaemon({ environment: { HTTPS_PROXY: url, NO_PROXY: ".ngrok.com" } });
  await stage.until(
    "the API is unreachable",
    async () => (await stage.askStatus()).api.state === "unreachable",
  );
  assert.equal(proxy.heads.length, before);
  assert.deepEqual((await stage.askStatus()).proxy, {
    api: null,
    ingress: null,
    notes: ['HTTPS_PROXY is not used: NO_PROXY has ".ngrok.com"'],
  });
  await Deno.writeTextFile(stage.configPath, original);
  Deno.kill(stage.pid, "SIGHUP");
  await stage.until("proxy_url carries the API", async () => (await stage.askStatus()).api.state === "ok");
  assert.deepEqual((await stage.askStatus()).proxy.notes, [
    "HTTPS_PROXY is not used: proxy_url has priority",
    "NO_PROXY is not used: it does not apply to proxy_url",
  ]);
});

/** Counts what anybody sends, and answers nothing. */
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
