import assert from "node:assert/strict";
import { freePort } from "../../../sim/daemon_harness.ts";
import { DialError } from "../../../src/model/errors.ts";
import type { Proxy } from "../../../src/model/proxy.ts";
import { writeAll } from "../../../src/system/byte_stream.ts";
import { connectTls } from "../../../src/system/connect_tls.ts";
import { openTunnel } from "../../../src/system/proxy/open_tunnel.ts";
import { openRelay } from "../../../src/system/proxy/relay.ts";
import { probeChain } from "../../../src/system/tls_chain.ts";
import { type ConnectProxy, connectProxy } from "../../fakes/connect_proxy.ts";
import { pattern, readAll } from "../../fakes/memory_stream.ts";
import { runModule } from "../../fakes/run_module.ts";
import { until } from "../../fakes/sockets.ts";
import { socksProxy } from "../../fakes/socks_proxy.ts";
import { temporaryDirectory } from "../../fakes/temporary_directory.ts";
import { TestCa } from "../../fakes/test_ca.ts";
import { tlsFront } from "../../fakes/tls_front.ts";
import { connectFailures, failureOf, proxyAt, SECRET, timeoutFor } from "./proxy_failures.ts";

const ca = await TestCa.create();
const stranger = await TestCa.create("Stranger");
const client = await ca.pair();
const server = await ca.pair({ names: ["ingress.example"] });
const HOST = "ingress.example";

function dial(proxy: Proxy, options: { timeoutMs?: number; signal?: AbortSignal; hostname?: string } = {}) {
  const target = { hostname: HOST, port: 443, ...client, caCerts: [ca.pem], timeoutMs: 5000 };
  return connectTls({ ...target, proxy, ...options });
}

function isUntrusted(error: unknown): boolean {
  return error instanceof DialError && error.code === "untrusted";
}

/** A TLS server that reads to the end and sends all of it back. */
function lateEcho(pair = server) {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pair });
  const served = (async () => {
    for (;;) {
      const conn = await listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      await (async () => {
        await writeAll(conn, await readAll(conn));
        await conn.closeWrite();
      })().catch(() => {}).finally(() => conn.close());
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

/** A proxy that connects the host to this local port. */
function proxyTo(port: number): ConnectProxy {
  const proxy = connectProxy();
  proxy.targets.set(`${HOST}:443`, port);
  return proxy;
}

Deno.test("connectTls() verifies the host through a proxy, and carries both directions", async () => {
  await using ingress = lateEcho();
  await using proxy = proxyTo(ingress.port);
  const stream = await dial(proxyAt(proxy.port));
  const sent = pattern(1_200_000);
  await writeAll(stream, sent);
  await stream.closeWrite();
  assert.deepEqual(await readAll(stream), sent);
  stream.close();
  const head = "CONNECT ingress.example:443 HTTP/1.1\r\nHost: ingress.example:443\r\n\r\n";
  assert.deepEqual(proxy.heads, [head]);
  await until(() => proxy.open === 0);
});

Deno.test("connectTls() through a proxy aborts without the end that TLS demands (R62)", async () => {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...server });
  await using proxy = proxyTo(listener.addr.port);
  for (const aborts of [true, false]) {
    const [stream, conn] = await Promise.all([
      dial(proxyAt(proxy.port)),
      listener.accept().then((conn) => conn.handshake().then(() => conn)),
    ]);
    await writeAll(stream, pattern(1000));
    assert.equal(await conn.read(new Uint8Array(2000)), 1000);
    if (aborts) await stream.abort!();
    else stream.close();
    if (aborts) await assert.rejects(readAll(conn), Deno.errors.UnexpectedEof);
    else assert.equal((await readAll(conn)).length, 0);
    conn.close();
  }
  listener.close();
  await until(() => proxy.open === 0);
});

Deno.test("probeChain() reads the certificates through the proxy, and leaves no connection", async () => {
  await using ingress = lateEcho();
  await using proxy = proxyTo(ingress.port);
  const chain = await probeChain({ hostname: HOST, port: 443, timeoutMs: 5000, proxy: proxyAt(proxy.port) });
  assert.ok(chain.certificates.length >= 1);
  assert.equal(chain.byRoots, "untrusted");
  assert.match(proxy.heads[0]!, /^CONNECT ingress\.example:443 /);
  await until(() => proxy.open === 0);
});

Deno.test("connectTls() rejects another name and another CA through a proxy, too", async () => {
  await using other = lateEcho(await ca.pair({ names: ["other.example"] }));
  await using forged = lateEcho(await stranger.pair({ names: [HOST] }));
  for (const { port } of [other, forged]) {
    await using proxy = proxyTo(port);
    await assert.rejects(dial(proxyAt(proxy.port)), isUntrusted);
    await until(() => proxy.open === 0);
  }
});

Deno.test("connectTls() sends user name and password to the proxy, and shows them in no error", async () => {
  await using ingress = lateEcho();
  await using proxy = proxyTo(ingress.port);
  const { port } = proxy;
  proxy.credentials = "user:s3cret";
  (await dial(proxyAt(port, { username: "user", password: "s3cret" }))).close();
  const missing = await failureOf(dial(proxyAt(port)));
  assert.deepEqual([missing.code, missing.state], ["proxy", "it demands a user name and password (407)"]);
  assert.match(missing.hint, /HTTPS_PROXY/);
  const wrong = await failureOf(dial(proxyAt(port, { username: "user", password: SECRET })));
  assert.deepEqual([wrong.code, wrong.state], ["proxy", "it refused the user name or password (407)"]);
  assert.match(wrong.hint, /HTTPS_PROXY/);
  await until(() => proxy.open === 0);
});

for (const [mode, code, state, hint] of connectFailures(HOST)) {
  Deno.test(`connectTls() reports the failure of a proxy: ${mode}`, async () => {
    await using proxy = proxyTo(9);
    proxy.mode = mode;
    const failure = await failureOf(dial(proxyAt(proxy.port), { timeoutMs: timeoutFor(mode) }));
    assert.deepEqual([failure.code, failure.state], [code, state]);
    assert.match(failure.hint, hint);
    await until(() => proxy.open === 0);
  });
}

Deno.test("connectTls() reports a proxy that cannot be reached, or whose name does not resolve", async () => {
  const { state } = await failureOf(dial(proxyAt(freePort())));
  assert.equal(state, "connection refused");
  const unknown = await failureOf(dial(proxyAt(9, { hostname: "nowhere.invalid" })));
  assert.equal(unknown.state, 'the name "nowhere.invalid" does not resolve');
});

Deno.test("connectTls() accepts an answer of the proxy that arrives byte by byte", async () => {
  await using ingress = lateEcho();
  await using proxy = proxyTo(ingress.port);
  proxy.mode = "drip";
  (await dial(proxyAt(proxy.port))).close();
});

Deno.test("connectTls() ends at its signal, and leaves no connection at the proxy", async () => {
  await using proxy = proxyTo(9);
  proxy.mode = "hang";
  const controller = new AbortController();
  const dialled = dial(proxyAt(proxy.port), { signal: controller.signal });
  await until(() => proxy.heads.length === 1);
  controller.abort(new Error("enough"));
  await assert.rejects(dialled, /enough/);
  await until(() => proxy.open === 0);
});

for (const checkFirst of [true, false]) {
  Deno.test(`openTunnel() ends in time or at its signal at a silent https proxy: check ${checkFirst}`, async () => {
    await using silent = socksProxy();
    silent.mode = "hang";
    const options = {
      proxy: proxyAt(silent.port, { scheme: "https" }),
      hostname: HOST,
      port: 443,
      checkFirst,
    };
    await assert.rejects(
      openTunnel({ ...options, timeoutMs: 100 }),
      /through the proxy https:.*: no response within 0\.1 s$/,
    );
    const stop = new AbortController();
    const opening = openTunnel({ ...options, timeoutMs: 5000, signal: stop.signal });
    await until(() => silent.open > 0);
    stop.abort(new Error("enough"));
    await assert.rejects(opening, /enough/);
  });
}

Deno.test("openTunnel() with checkFirst asks an https proxy once, and opens the tunnel", async () => {
  await using ingress = lateEcho();
  await using proxy = proxyTo(ingress.port);
  await using front = tlsFront(proxy.port, await ca.pair());
  await using directory = await temporaryDirectory();
  const roots = `${directory.path}/roots.pem`;
  await Deno.writeTextFile(roots, ca.pem);
  const options = {
    proxy: proxyAt(front.port, { scheme: "https", hostname: "localhost" }),
    hostname: HOST,
    port: 443,
    timeoutMs: 10_000,
    checkFirst: true,
  };
  // Deno reads the CAs for a proxy from the environment, and only at its start.
  const code = `
    import { openTunnel } from "../../src/system/proxy/open_tunnel.ts";
    const { stream } = await openTunnel(${JSON.stringify(options)});
    stream.close();
    console.log("a tunnel");
  `;
  const permissions = ["--allow-read", "--allow-net"];
  const { stdout, stderr } = await runModule(code, { permissions, env: { DENO_CERT: roots } });
  assert.deepEqual([stdout, proxy.heads.length], ["a tunnel\n", 1], stderr);
});

// Each dial once left a connection.
Deno.test("connectTls() with checkFirst and probeChain() leave no connection at a silent https proxy", async () => {
  // The proxy waits for the end of a request head, which a ClientHello does not have.
  await using silent = connectProxy();
  const proxy = proxyAt(silent.port, { scheme: "https" });
  const target = { hostname: HOST, port: 443, timeoutMs: 20_000, proxy };
  const dials: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => connectTls({ ...target, ...client, caCerts: [ca.pem], checkFirst: true, signal }),
    (signal) => probeChain({ ...target, signal }),
  ];
  for (const dialOnce of dials) {
    const stop = new AbortController();
    const running = Array.from({ length: 5 }, () => assert.rejects(dialOnce(stop.signal), /enough/));
    await until(() => silent.open === 5);
    stop.abort(new Error("enough"));
    await Promise.all(running);
    await until(() => silent.open === 0);
  }
});

Deno.test("connectTls() and probeChain() connect through a SOCKS5 proxy, and verify the name", async () => {
  await using ingress = lateEcho();
  await using proxy = socksProxy();
  proxy.targets.set(`${HOST}:443`, ingress.port);
  const socks = proxyAt(proxy.port, { scheme: "socks5" });
  const stream = await dial(socks);
  await stream.write(new TextEncoder().encode("hello"));
  await stream.closeWrite();
  assert.equal(new TextDecoder().decode(await readAll(stream)), "hello");
  stream.close();
  const { certificates } = await probeChain({ hostname: HOST, port: 443, timeoutMs: 5000, proxy: socks });
  assert.equal(certificates.length, 1);
  proxy.targets.set("other.example:443", ingress.port);
  await assert.rejects(
    dial(socks, { hostname: "other.example" }),
    isUntrusted,
  );
});

Deno.test("openTunnel() keeps the bytes that arrive with the answer of the proxy", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(1000));
    await conn.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nVia: x\r\n\r\nearly"));
  })();
  const { stream, early } = await openTunnel({
    proxy: proxyAt(listener.addr.port),
    hostname: HOST,
    port: 443,
    timeoutMs: 5000,
  });
  await served;
  listener.close();
  stream.close();
  assert.equal(new TextDecoder().decode(early), "early");
});

Deno.test("openRelay() gives the tunnel to its own port, and closes other connections", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [far, peer] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  listener.close();
  const relay = openRelay({ stream: far, early: new TextEncoder().encode("hello") });
  const address = { hostname: "127.0.0.1", port: relay.port };
  const intruder = await Deno.connect(address);
  await intruder.write(new TextEncoder().encode("let me in"));
  const own = await Deno.connect(address);
  await relay.accept(own.localAddr.port);
  assert.equal(await intruder.read(new Uint8Array(10)).catch(() => null), null);
  const buffer = new Uint8Array(100);
  assert.equal(new TextDecoder().decode(buffer.subarray(0, (await own.read(buffer))!)), "hello");
  await own.write(new TextEncoder().encode("mine"));
  assert.equal(new TextDecoder().decode(buffer.subarray(0, (await peer.read(buffer))!)), "mine");
  await assert.rejects(Deno.connect(address), Deno.errors.ConnectionRefused);
  for (const conn of [own, peer, intruder]) conn.close();
  relay.close();
});

// The tunnel once stayed open.
Deno.test("openRelay() closes the tunnel if no descriptor is left for its listener", async () => {
  const code = `
    import { openRelay } from "../../src/system/proxy/relay.ts";
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const [far, peer] = await Promise.all([
      Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
      listener.accept(),
    ]);
    const held = [];
    try {
      for (;;) held.push(Deno.openSync("/dev/null"));
    } catch {
      // No descriptor is left.
    }
    let message = "a relay";
    try {
      openRelay({ stream: far, early: new Uint8Array() });
    } catch (error) {
      message = error.message;
    }
    for (const file of held) file.close();
    const end = await Promise.race([
      peer.read(new Uint8Array(1)),
      new Promise((resolve) => setTimeout(resolve, 2_000, "open")),
    ]);
    console.log(message, end);
    Deno.exit();
  `;
  const { stdout, stderr } = await runModule(code, {
    shell: 'ulimit -n 128; exec "$@"',
    permissions: ["--allow-read", "--allow-net=127.0.0.1"],
  });
  assert.match(stdout, /^Too many open files \(os error 24\) null$/m, stderr);
});
