import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Stage } from "../../scripts/stage.ts";
import type { EndpointReport } from "../../src/model/report.ts";
import { type ConnectProxy, connectProxy } from "../fakes/connect_proxy.ts";

const SECTIONS = "net:\n  subnet: 127.131.0.0/16\nbound_endpoints:\n  poll_interval: 1";
/** Nothing listens there: whoever dials it directly gets nowhere. */
const INGRESS = "localhost:9";
const API = "api.ngrok.com:443";
/** `deno run` asks for newer versions of itself, by the proxy of the environment. */
const NO_UPDATE_CHECK = { DENO_NO_UPDATE_CHECK: "1" };

interface World extends AsyncDisposable {
  readonly stage: Stage;
  readonly proxy: ConnectProxy;
}

/** A daemon as a process with its shipped permissions, for which API and ingress are to be had through the proxy only. */
async function behindProxy(credentials: string | undefined, inUrl = ""): Promise<World> {
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
  environment["DENO_CERT"] = `${stage.etc}/ca.pem`;
  const text = (await Deno.readTextFile(stage.configPath)).replace(
    stage.cloud.apiUrl,
    "https://api.ngrok.com",
  );
  const url = `http://${inUrl}127.0.0.1:${proxy.port}`;
  await Deno.writeTextFile(stage.configPath, `proxy_url: "${url}"\n${text}`);
  return {
    stage,
    proxy,
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]();
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

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

Deno.test("ngrokd reaches API and ingress through a proxy with a password, and shows the password nowhere", async () => {
  await using world = await behindProxy("user:p@ss-w0rd", "user:p%40ss-w0rd@");
  const { stage, proxy } = world;
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

  const use = { url: proxy.url, source: "config" };
  assert.deepEqual((await stage.status()).proxy, { api: use, ingress: use, notes: [] });
  const printed = await stage.ctl(["status"]);
  for (const label of ["API proxy", "Ingress proxy"]) {
    assert.match(printed.stdout, new RegExp(`${label}: +${proxy.url} \\(config\\)`));
  }
  const everything = JSON.stringify(await stage.status()) + printed.stdout + stage.log.join("\n");
  assert.ok(!everything.includes("ss-w0rd"), "the password is in no output");
  const asked = new Set(proxy.heads.map((head) => head.split(" ")[1]));
  assert.deepEqual([...asked].sort(), [API, INGRESS]);
});

Deno.test("with its proxy gone ngrokd keeps the listeners and says why, and it mends itself when the proxy is back", async () => {
  await using world = await behindProxy(undefined);
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
  await using world = await behindProxy(undefined, "user:wrong@");
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

Deno.test("a proxy of the environment gets no request to an API on this machine, and no API key with it", async () => {
  await using proxy = connectProxy();
  const environment = {
    ...NO_UPDATE_CHECK,
    HTTP_PROXY: proxy.url,
    HTTPS_PROXY: proxy.url,
    ALL_PROXY: proxy.url,
  };
  await using stage = await Stage.open({ sections: SECTIONS, environment });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8284", backend: "http" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  assert.equal(await statusOf(row!), "HTTP/1.1 200 OK");
  assert.deepEqual(proxy.heads, []);
});

Deno.test("HTTPS_PROXY carries the API but not the ingress, and NO_PROXY takes the API out of it", async () => {
  await using world = await behindProxy(undefined);
  const { stage, proxy } = world;
  const text = await Deno.readTextFile(stage.configPath);
  await Deno.writeTextFile(
    stage.configPath,
    text.replace(/^proxy_url: .*\n/, "").replace(INGRESS, `localhost:${stage.cloud.ingressPort}`),
  );
  stage.cloud.addEndpoint({ url: "http://api.myapp:8285", backend: "http" });
  const certificate = { DENO_CERT: `${stage.etc}/ca.pem` };
  stage.startDaemon({ environment: { ...certificate, HTTPS_PROXY: proxy.url } });
  const [row] = await stage.settled(1);
  assert.equal(await statusOf(row!), "HTTP/1.1 200 OK");
  assert.deepEqual([...new Set(proxy.heads.map((head) => head.split(" ")[1]))], [API]);
  await stage.stopDaemon();
  const before = proxy.heads.length;
  stage.startDaemon({ environment: { ...certificate, HTTPS_PROXY: proxy.url, NO_PROXY: ".ngrok.com" } });
  await stage.until(
    "the API is unreachable",
    async () => (await stage.askStatus()).api.state === "unreachable",
  );
  assert.equal(proxy.heads.length, before);
});
