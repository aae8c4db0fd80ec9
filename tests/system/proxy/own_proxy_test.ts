import assert from "node:assert/strict";
import { connectTcp } from "../../../src/system/tcp.ts";
import { closeQuietly } from "../../../src/system/byte_stream.ts";
import { openOwnProxy } from "../../../src/system/proxy/own_proxy.ts";
import { TestCa } from "../../fakes/test_ca.ts";
import { tlsFront } from "../../fakes/tls_front.ts";

const HOST = "api.example";
const ca = await TestCa.create();
const never = new AbortController().signal;

function toPort(port: number) {
  return {
    ...{ hostname: HOST, port: 443 },
    dial: (signal: AbortSignal) => connectTcp({ address: "127.0.0.1", port }, signal),
  };
}

/** An HTTPS server for the host, on a loopback port. */
async function httpsServer(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => new Response(`${request.method} ${await request.text()}`),
  );
  const front = tlsFront(server.addr.port, await ca.pair({ names: [HOST] }));
  return {
    port: front.port,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await front[Symbol.asyncDispose]();
    },
  };
}

Deno.test("openOwnProxy() carries TLS of its client to the host, which is verified", async () => {
  await using server = await httpsServer();
  using proxy = openOwnProxy(toPort(server.port));
  const { url, basicAuth } = proxy;
  const body = "x".repeat(200_000);
  for (const [caCerts, wanted] of [[[ca.pem], `POST ${body}`], [[], undefined]] as const) {
    using client = Deno.createHttpClient({ caCerts: [...caCerts], proxy: { url, basicAuth } });
    const answer = fetch(`https://${HOST}/`, { client, method: "POST", body }).then((reply) => reply.text());
    if (wanted !== undefined) assert.equal(await answer, wanted);
    else await assert.rejects(answer, (error: Error) => /UnknownIssuer/.test(String(error.cause)));
  }
});

Deno.test("openOwnProxy() connects no other program and no other host, and closes with its client", async () => {
  await using server = await httpsServer();
  let dials = 0;
  const proxy = openOwnProxy({
    ...toPort(server.port),
    dial(signal) {
      dials++;
      return toPort(server.port).dial(signal);
    },
  });
  const { url, basicAuth: { username, password } } = proxy;
  const port = Number(new URL(url).port);
  const right = `Proxy-Authorization: Basic ${btoa(`${username}:${password}`)}`;
  const heads = [
    `CONNECT ${HOST}:443 HTTP/1.1\r\n\r\n`,
    `CONNECT ${HOST}:443 HTTP/1.1\r\nProxy-Authorization: Basic ${btoa(`${username}:x`)}\r\n\r\n`,
    `CONNECT other.example:443 HTTP/1.1\r\n${right}\r\n\r\n`,
    `GET http://${HOST}/ HTTP/1.1\r\n${right}\r\n\r\n`,
    "x".repeat(5000),
  ];
  for (const head of heads) {
    const conn = await connectTcp({ address: "127.0.0.1", port }, never);
    await conn.write(new TextEncoder().encode(head));
    assert.equal(await conn.read(new Uint8Array(10)).catch(() => null), null, head.slice(0, 80));
    closeQuietly(conn);
  }
  // Silent ones do not keep the client out.
  const silent = await Promise.all(
    Array.from({ length: 20 }, () => connectTcp({ address: "127.0.0.1", port }, never)),
  );
  const client = await connectTcp({ address: "127.0.0.1", port }, never);
  await client.write(new TextEncoder().encode(`CONNECT ${HOST}:443 HTTP/1.1\r\n${right}\r\n\r\n`));
  const answer = new Uint8Array(100);
  const count = await client.read(answer);
  assert.match(new TextDecoder().decode(answer.subarray(0, count!)), /^HTTP\/1\.1 200 /);
  assert.equal(dials, 1);
  proxy[Symbol.dispose]();
  assert.equal(await client.read(answer).catch(() => null), null);
  for (const conn of [client, ...silent]) closeQuietly(conn);
  assert.equal(proxy.failure, undefined);
});

Deno.test("openOwnProxy() keeps the reason why the host cannot be reached", async () => {
  const failure = new Error("no route");
  using proxy = openOwnProxy({ hostname: HOST, port: 443, dial: () => Promise.reject(failure) });
  const { url, basicAuth } = proxy;
  using client = Deno.createHttpClient({ proxy: { url, basicAuth } });
  await assert.rejects(fetch(`https://${HOST}/`, { client }));
  assert.equal(proxy.failure, failure);
});
