import assert from "node:assert/strict";
import { BindError } from "../../src/model/errors.ts";
import type { HealthReport } from "../../src/model/report.ts";
import { serveHttp } from "../../src/system/http_server.ts";
import { type HealthServer, startHealthServer } from "../../src/web/server.ts";

function start(healthy = () => true, port = 0): HealthServer {
  const report = (): HealthReport => ({
    healthy: healthy(),
    ready: true,
    has_endpoints: false,
    api: { state: "ok", last_poll: "2026-08-01T10:00:00Z", poll_age_seconds: 12, error: null },
    certificate: null,
    reasons: [],
    uptime: "1s",
    start_time: "2026-08-01T10:00:00Z",
    endpoints: {},
  });
  return startHealthServer({ address: "127.0.0.1", port, serve: serveHttp, report });
}

async function raw(port: number, text: string): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const answer = new Response(conn.readable).text();
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
  return await answer;
}

Deno.test("startHealthServer() answers probes with the current state", async () => {
  let healthy = true;
  await using server = start(() => healthy);
  const url = `http://127.0.0.1:${server.port}/health`;
  const good = await fetch(url);
  assert.deepEqual([good.status, await good.text()], [200, "healthy\n"]);
  assert.equal(good.headers.get("cache-control"), "no-store");
  assert.equal(good.headers.get("x-content-type-options"), "nosniff");
  healthy = false;
  const bad = await fetch(url, { headers: { accept: "text/html, application/json" } });
  assert.deepEqual([bad.status, await bad.json()], [503, { status: "unhealthy", reasons: [] }]);
});

Deno.test("startHealthServer() answers HEAD without a body and refuses POST", async () => {
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

Deno.test("startHealthServer() refuses requests that a web page could send", async () => {
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

Deno.test("startHealthServer() serves a probe of HTTP/1.0 without a Host", async () => {
  await using server = start();
  assert.match(await raw(server.port, "GET /healthz HTTP/1.0\r\n\r\n"), /^HTTP\/1\.[01] 200 OK/);
});

Deno.test("startHealthServer() closes although a client does not send the body that it announced", async () => {
  const server = start();
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const text = "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n";
  await conn.write(new TextEncoder().encode(text));
  assert.notEqual(await conn.read(new Uint8Array(1024)), null);
  await server[Symbol.asyncDispose]();
});

Deno.test("startHealthServer() throws if its port is in use", async () => {
  await using server = start();
  assert.throws(() => start(() => true, server.port), (error: unknown) => {
    assert.ok(error instanceof BindError);
    assert.equal(error.reason, "in_use");
    return true;
  });
});
