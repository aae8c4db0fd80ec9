import assert from "node:assert/strict";
import type { Proxy } from "../../../src/model/proxy.ts";
import { readFull, writeAll } from "../../../src/system/byte_stream.ts";
import { openTunnel } from "../../../src/system/proxy/open_tunnel.ts";
import { until } from "../../fakes/sockets.ts";
import { type SocksMode, type SocksProxy, socksProxy } from "../../fakes/socks_proxy.ts";
import { failureOf, proxyAt, SECRET, timeoutFor } from "./proxy_failures.ts";

const HOST = "ingress.example";

interface DialOptions {
  readonly fields?: Partial<Proxy>;
  readonly hostname?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

function dial({ port }: SocksProxy, options: DialOptions = {}) {
  const { fields, hostname = HOST, timeoutMs = 5000, signal } = options;
  const proxy = proxyAt(port, { scheme: "socks5", ...fields });
  return openTunnel({ proxy, hostname, port: 443, timeoutMs, signal });
}

/** A server that speaks first, so that its bytes arrive right after the answer of the proxy. */
function greeter() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    for (;;) {
      const conn = await listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      await writeAll(conn, new TextEncoder().encode("hello"));
      await conn.readable.pipeTo(conn.writable).catch(() => {});
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await served;
    },
  };
}

for (const mode of ["ok", "ipv6", "name"] as const) {
  Deno.test(`openTunnel() lets a SOCKS5 proxy resolve the name, and loses no byte: reply ${mode}`, async () => {
    await using greeting = greeter();
    await using proxy = socksProxy();
    proxy.mode = mode;
    proxy.targets.set(`${HOST}:443`, greeting.port);
    const { stream, early } = await dial(proxy);
    assert.equal(early.length, 0);
    await writeAll(stream, new TextEncoder().encode(" and back"));
    const got = new Uint8Array(14);
    assert.ok(await readFull(stream, got));
    assert.equal(new TextDecoder().decode(got), "hello and back");
    assert.deepEqual(proxy.asked, [`${HOST}:443`]);
    stream.close();
    await until(() => proxy.open === 0);
  });
}

Deno.test("openTunnel() sends an IPv4 address to a SOCKS5 proxy as an address", async () => {
  await using greeting = greeter();
  await using proxy = socksProxy();
  proxy.targets.set("192.0.2.1:443", greeting.port);
  (await dial(proxy, { hostname: "192.0.2.1" })).stream.close();
  assert.deepEqual(proxy.asked, ["192.0.2.1:443"]);
});

Deno.test("openTunnel() sends credentials to a SOCKS5 proxy that demands them, and shows none", async () => {
  await using greeting = greeter();
  await using proxy = socksProxy();
  proxy.targets.set(`${HOST}:443`, greeting.port);
  const fields = { username: "üser", password: SECRET };
  (await dial(proxy, { fields })).stream.close();
  proxy.credentials = `üser:${SECRET}`;
  (await dial(proxy, { fields })).stream.close();
  const missing = await failureOf(dial(proxy));
  assert.equal(missing.state, "it demands a user name and password (socks5)");
  assert.match(missing.hint, /^Write them in HTTPS_PROXY: socks5:\/\/user:password@/);
  const wrong = await failureOf(dial(proxy, { fields: { ...fields, username: "user" } }));
  assert.equal(wrong.state, "it refused the user name or password (socks5)");
  assert.match(wrong.hint, /^Correct them in HTTPS_PROXY/);
});

const FAILURES: readonly (readonly [mode: SocksMode, code: string, state: string])[] = [
  ["no_method", "proxy", "it demands a user name and password (socks5)"],
  ["hang", "timeout", "no response within 0.3 s"],
  ["close", "proxy", "it closed the connection"],
  ["close_in_answer", "proxy", "it closed the connection during its response"],
  ["garbage", "proxy", "its response is not SOCKS5"],
  [1, "proxy", "it cannot reach ingress.example:443 (general failure)"],
  [2, "proxy", "it forbids connections to ingress.example:443 (socks5)"],
  [4, "proxy", "it cannot reach ingress.example:443 (host unreachable)"],
  [7, "proxy", "it refused a tunnel to ingress.example:443 (7)"],
];
for (const [mode, code, state] of FAILURES) {
  Deno.test(`openTunnel() reports the failure of a SOCKS5 proxy: ${mode}`, async () => {
    await using proxy = socksProxy();
    proxy.mode = mode;
    const failure = await failureOf(dial(proxy, { timeoutMs: timeoutFor(mode) }));
    assert.deepEqual([failure.code, failure.state], [code, state]);
    await until(() => proxy.open === 0);
  });
}

Deno.test("openTunnel() reports a SOCKS5 proxy without a supported authentication method", async () => {
  await using proxy = socksProxy();
  proxy.mode = "no_method";
  const fields = { username: "u", password: "p" };
  await assert.rejects(
    dial(proxy, { fields }),
    /it offers no authentication method that ngrokd supports \(255\)$/,
  );
});

Deno.test("openTunnel() ends at its signal, and leaves no connection at a SOCKS5 proxy", async () => {
  await using proxy = socksProxy();
  proxy.mode = "hang";
  const controller = new AbortController();
  const dialled = dial(proxy, { signal: controller.signal });
  await until(() => proxy.open === 1);
  controller.abort(new Error("enough"));
  await assert.rejects(dialled, /enough/);
  await until(() => proxy.open === 0);
});
