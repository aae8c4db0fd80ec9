import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { HealthReport } from "../../src/model/report.ts";
import type { ConnectionServer } from "../../src/system/connection_server.ts";
import { type AcceptedStream, listenTcp } from "../../src/system/tcp.ts";
import { HealthAnswers } from "../../src/web/health_answers.ts";
import { type HealthServerOptions, MAX_CONNECTIONS, serveHealth } from "../../src/web/server.ts";

interface Served extends AsyncDisposable {
  readonly port: number;
  readonly server: ConnectionServer<AcceptedStream>;
}

function start(
  healthy = () => true,
  { reasons = [], ...options }: Partial<HealthServerOptions> & { reasons?: string[] } = {},
): Served {
  const report = (): HealthReport => ({
    healthy: healthy(),
    ready: true,
    has_endpoints: false,
    api: { state: "ok", last_poll: "2026-08-01T10:00:00Z", poll_age_seconds: 12, error: null },
    certificate: null,
    reasons,
    uptime: "1s",
    start_time: "2026-08-01T10:00:00Z",
    endpoints: {},
  });
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  const server = serveHealth(listener, {
    address: "127.0.0.1",
    answers: new HealthAnswers(report),
    admit: () => true,
    hostNames: () => [],
    onFailure: (error) => assert.fail(String(error)),
    onEachFailure: () => {},
    ...options,
  });
  return { port: listener.port, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function raw(port: number, text: string): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const answer = new Response(conn.readable).text();
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
  return await answer;
}

/** Counts the bytes that this process encodes until it is disposed. */
function countEncodedBytes(): Disposable & { bytes: number } {
  const { encode } = TextEncoder.prototype;
  const count = { bytes: 0, [Symbol.dispose]: () => void (TextEncoder.prototype.encode = encode) };
  TextEncoder.prototype.encode = function (text) {
    const bytes = encode.call(this, text);
    count.bytes += bytes.length;
    return bytes;
  };
  return count;
}

Deno.test("serveHealth() answers probes with a state that is at most a second old (R70)", async () => {
  let healthy = true;
  await using server = start(() => healthy);
  const url = `http://127.0.0.1:${server.port}/health`;
  const good = await fetch(url);
  assert.deepEqual([good.status, await good.text()], [200, "healthy\n"]);
  assert.equal(good.headers.get("cache-control"), "no-store");
  assert.equal(good.headers.get("x-content-type-options"), "nosniff");
  healthy = false;
  // A report answers for one second.
  assert.equal(await (await fetch(url)).text(), "healthy\n");
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const bad = await fetch(url, { headers: { accept: "text/html, application/json" } });
  assert.deepEqual([bad.status, await bad.json()], [503, { status: "unhealthy", reasons: [] }]);
});

Deno.test("serveHealth() answers HEAD without a body and refuses POST", async () => {
  await using server = start();
  const head = await fetch(`http://localhost:${server.port}/status`, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-type"), await head.text()], [
    200,
    "application/json",
    "",
  ]);
  const post = await fetch(`http://localhost:${server.port}/status`, { method: "POST", body: "x" });
  assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
  await post.body?.cancel();
});

Deno.test("serveHealth() refuses requests that a web page could send", async () => {
  await using server = start();
  const { port } = server;
  const end = "Connection: close\r\n\r\n";
  assert.match(
    await raw(port, `GET /status HTTP/1.1\r\nHost: evil.example:${port}\r\n${end}`),
    /^HTTP\/1\.1 403 /,
  );
  assert.match(
    await raw(port, `GET http://evil.example/status HTTP/1.1\r\nHost: 127.0.0.1\r\n${end}`),
    /^HTTP\/1\.1 403 /,
  );
  const own = `GET /status HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`;
  assert.match(await raw(port, `${own}Origin: https://evil.example\r\n${end}`), /^HTTP\/1\.1 403 /);
  assert.match(await raw(port, `${own}Referer: https://evil.example/a\r\n${end}`), /^HTTP\/1\.1 403 /);
  assert.match(
    await raw(port, `${own}Content-Length: 2000000\r\n${end}${"x".repeat(2_000_000)}`),
    /^HTTP\/1\.1 413 /,
  );
  assert.match(await raw(port, own + end), /^HTTP\/1\.1 200 /);
});

Deno.test("serveHealth() serves a probe of HTTP/1.0 without a Host", async () => {
  await using server = start();
  assert.match(await raw(server.port, "GET /healthz HTTP/1.0\r\n\r\n"), /^HTTP\/1\.[01] 200 OK/);
});

Deno.test("serveHealth() does not wait for silent clients when it ends", async () => {
  const served = start();
  using silent = await Deno.connect({ hostname: "127.0.0.1", port: served.port });
  while (served.server.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const begun = performance.now();
  await served[Symbol.asyncDispose]();
  assert.ok(performance.now() - begun < 3_000, "a head has 5 s");
  assert.equal(await silent.read(new Uint8Array(1)), null);
});

Deno.test("serveHealth() ends although a client does not send the body that it announced", async () => {
  const served = start();
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: served.port });
  const text = "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n";
  await conn.write(new TextEncoder().encode(text));
  assert.notEqual(await conn.read(new Uint8Array(1024)), null);
  await served[Symbol.asyncDispose]();
});

Deno.test("serveHealth() refuses what is no request with a status, and answers the lenient forms", async () => {
  await using server = start();
  const field = "A: b\r\n";
  const cases: [text: string, status: number][] = [
    ["GET /health HTTP/1.1\r\n\r\n", 200],
    ["\r\nGET /health HTTP/1.1\nHost: localhost\n\n", 200],
    ["GET /health?verbose=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 200],
    ["GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
    ["GET health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
    ["GET /health\r\n\r\n", 400],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400],
    ["GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n", 400],
    ["GET /health HTTP/1.1\r\nHost: [\r\n\r\n", 400],
    [`GET /health HTTP/1.1\r\n${field.repeat(101)}\r\n`, 431],
    [`GET /health HTTP/1.1\r\nA: ${"b".repeat(20_000)}\r\n\r\n`, 431],
  ];
  for (const [text, status] of cases) {
    assert.match(await raw(server.port, text), new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 60));
  }
});

// 4 connections with 8,000 pipelined HEADs each delayed honest requests by 13 s.
Deno.test("serveHealth() answers one request of a connection and closes it (R70)", async () => {
  await using server = start();
  const request = "HEAD /status HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const answer = await raw(server.port, request.repeat(8000));
  assert.equal(answer.split("HTTP/1.1 200 OK").length, 2);
  assert.match(answer, /\r\nConnection: close\r\n\r\n$/);
});

Deno.test("serveHealth() builds no report for an unknown path, a refusal or within a second (R70)", async () => {
  let reports = 0;
  await using server = start(() => ++reports > 0);
  const get = (path: string, fields = "") =>
    raw(server.port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`);
  assert.match(await get("/"), /^HTTP\/1\.1 404 /);
  assert.match(await get("/status", "Sec-Fetch-Site: cross-site\r\n"), /^HTTP\/1\.1 403 /);
  assert.equal(reports, 0);
  for (const path of ["/status", "/health", "/ready", "/status"]) await get(path);
  assert.equal(reports, 1);
});

// A report of 10,000 endpoints was encoded again for each request: 4 ms of a HEAD, 9 ms of a GET.
Deno.test("serveHealth() encodes a large report once, for HEAD and for GET (R70)", async () => {
  const reasons = Array.from(
    { length: 10_000 },
    (_, n) => `Endpoint ${n} cannot listen: \u00e9${"x".repeat(250)}`,
  );
  await using server = start(() => true, { reasons });
  using encoded = countEncodedBytes();
  const answers = await Promise.all(
    Array.from(
      { length: 20 },
      (_, n) =>
        raw(server.port, `${n % 2 === 0 ? "HEAD" : "GET"} /status HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    ),
  );
  const bodies = answers.map((answer) => answer.slice(answer.indexOf("\r\n\r\n") + 4));
  const lengths = answers.map((answer) => Number(/Content-Length: ([0-9]+)/.exec(answer)![1]));
  for (const [n, body] of bodies.entries()) {
    if (n % 2 === 0) assert.equal(body, "");
    else assert.deepEqual(JSON.parse(body).reasons, reasons);
    assert.equal(lengths[n], Buffer.byteLength(bodies[1]!));
  }
  assert.ok(encoded.bytes < 1.1 * lengths[0]!, `${encoded.bytes} bytes were encoded for ${lengths[0]}`);
});

Deno.test("serveHealth() closes a client outside net.allow_cidrs without a byte (R70)", async () => {
  await using server = start(() => true, { admit: (peer) => peer !== "127.0.0.1" });
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  assert.equal(await conn.read(new Uint8Array(1)), null);
});

// 7,000 silent connections took all descriptors of the daemon.
Deno.test("serveHealth() holds 64 of 1,000 silent connections and answers beside them (R70)", async () => {
  await using served = start();
  const { port, server } = served;
  const silent: Deno.Conn[] = [];
  for (let n = 0; n < 1000; n++) silent.push(await Deno.connect({ hostname: "127.0.0.1", port }));
  assert.match(await raw(port, "GET /health HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 /);
  assert.ok(server.size <= MAX_CONNECTIONS);
  for (const conn of silent) conn.close();
});

Deno.test("serveHealth() closes a request that takes longer than 5 s (R70)", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    await using served = start();
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: served.port });
    await conn.write(new TextEncoder().encode("GET /health HTTP/1.1\r\n"));
    const end = conn.read(new Uint8Array(1));
    while (served.server.size === 0) await clock.tickAsync(0);
    await clock.tickAsync(4_999);
    assert.equal(served.server.size, 1);
    await clock.tickAsync(1);
    assert.equal(await end, null);
  } finally {
    clock.uninstall();
  }
});
