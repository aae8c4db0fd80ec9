import assert from "node:assert/strict";
import { DialError, type DialFailure } from "../../../src/model/errors.ts";
import type { Proxy } from "../../../src/model/proxy.ts";
import { type ByteStream, connectTls } from "../../../src/system/net.ts";
import { probeChain } from "../../../src/system/tls_chain.ts";
import { openTunnel } from "../../../src/system/proxy/proxy_tunnel.ts";
import { openRelay } from "../../../src/system/proxy/relay.ts";
import { TestCa } from "../../fakes/test_ca.ts";
import { runModule } from "../../fakes/run_module.ts";
import { socksProxy } from "../../fakes/socks_proxy.ts";
import { temporaryDirectory } from "../../fakes/temporary_directory.ts";
import { tlsFront } from "../../fakes/tls_front.ts";
import { type ConnectProxy, connectProxy, type ProxyMode } from "../../fakes/connect_proxy.ts";

const ca = await TestCa.create();
const stranger = await TestCa.create("Stranger");
const client = await ca.pair();
const server = await ca.pair({ names: ["ingress.example"] });
const HOST = "ingress.example";
const SECRET = "s3cret/päss";

function proxyOf({ port }: { port: number }, fields: Partial<Proxy> = {}): Proxy {
  return {
    scheme: "http",
    hostname: "127.0.0.1",
    port,
    username: "",
    password: "",
    setting: "proxy_url",
    ...fields,
  };
}

function dial(proxy: Proxy, options: { timeoutMs?: number; signal?: AbortSignal; hostname?: string } = {}) {
  return connectTls({
    hostname: HOST,
    port: 443,
    ...client,
    caCerts: [ca.pem],
    timeoutMs: 5000,
    proxy,
    ...options,
  });
}

/** A TLS server that sends back all that it gets, once it has got all of it. */
function lateEcho(pair = server) {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pair });
  const served = (async () => {
    for (;;) {
      const conn = await listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      await (async () => {
        const all = await readAll(conn);
        for (let done = 0; done < all.length;) done += await conn.write(all.subarray(done));
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

async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65536);
  for (let count; (count = await stream.read(buffer)) !== null;) parts.push(buffer.slice(0, count));
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

async function until(what: string, done: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(done(), what);
}

function open(port: number): ConnectProxy {
  const proxy = connectProxy();
  proxy.targets.set(`${HOST}:443`, port);
  return proxy;
}

Deno.test("connectTls() verifies the host's name through a proxy, and carries both directions to their own ends", async () => {
  await using ingress = lateEcho();
  await using proxy = open(ingress.port);
  const stream = await dial(proxyOf(proxy));
  const sent = crypto.getRandomValues(new Uint8Array(60_000));
  for (let round = 0; round < 20; round++) {
    for (let done = 0; done < sent.length;) done += await stream.write(sent.subarray(done));
  }
  await stream.closeWrite();
  const got = await readAll(stream);
  stream.close();
  assert.equal(got.length, 20 * sent.length);
  assert.deepEqual(got.subarray(19 * sent.length), sent);
  assert.match(
    proxy.heads[0]!,
    /^CONNECT ingress\.example:443 HTTP\/1\.1\r\nHost: ingress\.example:443\r\n\r\n$/,
  );
  await until("no connection is left at the proxy", () => proxy.open === 0);
});

Deno.test("probeChain() sees what the ingress presents through the proxy, and leaves no connection there", async () => {
  await using ingress = lateEcho();
  await using proxy = open(ingress.port);
  const seen = await probeChain({ hostname: HOST, port: 443, timeoutMs: 5000, proxy: proxyOf(proxy) });
  assert.ok(seen.certificates.length >= 1);
  assert.equal(seen.byRoots, "untrusted");
  assert.match(proxy.heads[0]!, /^CONNECT ingress\.example:443 /);
  await until("no connection is left at the proxy", () => proxy.open === 0);
});

Deno.test("connectTls() refuses through a proxy what it refuses without one: another name, another CA", async () => {
  await using other = lateEcho(await ca.pair({ names: ["other.example"] }));
  await using forged = lateEcho(await stranger.pair({ names: [HOST] }));
  for (const { port } of [other, forged]) {
    await using proxy = open(port);
    await assert.rejects(dial(proxyOf(proxy)), (error) => {
      assert.ok(error instanceof DialError);
      assert.equal(error.code, "untrusted", error.message);
      return true;
    });
    await until("no connection is left at the proxy", () => proxy.open === 0);
  }
});

Deno.test("connectTls() sends the proxy its user name and password, and shows them in no error", async () => {
  await using ingress = lateEcho();
  await using proxy = open(ingress.port);
  proxy.credentials = "user:s3cret";
  const stream = await dial(proxyOf(proxy, { username: "user", password: "s3cret" }));
  stream.close();
  for (
    const [fields, text] of [
      [{}, /demands a user name and password \(407\)/],
      [{ username: "user", password: SECRET }, /refused the user name or password \(407\)/],
    ] as const
  ) {
    await assert.rejects(dial(proxyOf(proxy, fields)), (error) => {
      assert.ok(error instanceof DialError);
      assert.equal(error.code, "proxy");
      assert.match(error.message, text);
      assert.ok(error.hint?.includes("proxy_url"));
      assert.ok(!JSON.stringify([error.message, error.hint, String(error.cause)]).includes(SECRET));
      return true;
    });
  }
  await until("no connection is left at the proxy", () => proxy.open === 0);
});

const FAILURES: readonly (readonly [ProxyMode, DialFailure, RegExp])[] = [
  ["forbid", "proxy", /it forbids connections to ingress\.example:443 \(403\)/],
  ["bad_gateway", "proxy", /it cannot reach ingress\.example:443 \(502\)/],
  ["hang", "timeout", /no response within 0\.3 s/],
  ["close", "proxy", /it closed the connection$/],
  ["close_in_answer", "proxy", /it closed the connection during its response/],
  ["garbage", "proxy", /its response is not HTTP/],
  ["huge_head", "proxy", /larger than 16384 bytes/],
];
for (const [mode, code, text] of FAILURES) {
  Deno.test(`connectTls() says what is wrong with a proxy: ${mode}`, async () => {
    await using proxy = open(9);
    proxy.mode = mode;
    await assert.rejects(dial(proxyOf(proxy), { timeoutMs: mode === "hang" ? 300 : 5000 }), (error) => {
      assert.ok(error instanceof DialError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(
        error.message,
        /^Cannot connect to ingress\.example:443 through the proxy http:\/\/127\.0\.0\.1:\d+: /,
      );
      assert.match(error.message, text);
      assert.ok(error.hint);
      return true;
    });
    await until("no connection is left at the proxy", () => proxy.open === 0);
  });
}

Deno.test("connectTls() says that a proxy cannot be reached, or that its name does not resolve", async () => {
  const proxy = open(9);
  await proxy[Symbol.asyncDispose]();
  await assert.rejects(dial(proxyOf(proxy)), /through the proxy .*: connection refused/);
  await assert.rejects(
    dial(proxyOf(proxy, { hostname: "nowhere.invalid" })),
    /: the name "nowhere\.invalid" does not resolve/,
  );
});

Deno.test("connectTls() takes an answer of the proxy that comes byte by byte", async () => {
  await using ingress = lateEcho();
  await using proxy = open(ingress.port);
  proxy.mode = "drip";
  (await dial(proxyOf(proxy))).close();
});

Deno.test("connectTls() through a proxy ends with its signal, and leaves nothing behind", async () => {
  await using proxy = open(9);
  proxy.mode = "hang";
  const controller = new AbortController();
  const dialled = dial(proxyOf(proxy), { signal: controller.signal });
  await until("the proxy was asked", () => proxy.heads.length === 1);
  controller.abort(new Error("enough"));
  await assert.rejects(dialled, /enough/);
  await until("no connection is left at the proxy", () => proxy.open === 0);
});

for (const checkFirst of [true, false]) {
  Deno.test(`openTunnel() gives up in time, and at its signal, on an https proxy that is silent in the handshake: ${checkFirst ? "with" : "without"} a check`, async () => {
    await using silent = socksProxy();
    silent.mode = "hang";
    const options = { proxy: proxyOf(silent, { scheme: "https" }), hostname: HOST, port: 443, checkFirst };
    await assert.rejects(
      openTunnel({ ...options, timeoutMs: 100 }),
      /through the proxy https:.*: no response within 0\.1 s$/,
    );
    const stop = new AbortController();
    const opening = openTunnel({ ...options, timeoutMs: 5000, signal: stop.signal });
    await until("the proxy was asked", () => silent.open > 0);
    stop.abort(new Error("enough"));
    await assert.rejects(opening, /enough/);
  });
}

Deno.test("openTunnel() that checks first asks an https proxy once, and gets its tunnel", async () => {
  await using ingress = lateEcho();
  await using proxy = open(ingress.port);
  await using front = tlsFront(proxy.port, await ca.pair());
  await using directory = await temporaryDirectory();
  const roots = `${directory.path}/roots.pem`;
  await Deno.writeTextFile(roots, ca.pem);
  const options = {
    proxy: proxyOf(front, { scheme: "https", hostname: "localhost" }),
    hostname: HOST,
    port: 443,
    timeoutMs: 10_000,
    checkFirst: true,
  };
  // The runtime takes the CAs for a proxy from its environment, at its start.
  const code = `
    import { openTunnel } from "../../src/system/proxy/proxy_tunnel.ts";
    const { stream } = await openTunnel(${JSON.stringify(options)});
    stream.close();
    console.log("a tunnel");
  `;
  const permissions = ["--allow-read", "--allow-net"];
  const { stdout, stderr } = await runModule(code, { permissions, env: { DENO_CERT: roots } });
  assert.deepEqual([stdout, proxy.heads.length], ["a tunnel\n", 1], stderr);
});

Deno.test("connectTls() that checks first, and probeChain(), leave no connection at an https proxy that is silent in the handshake (each dial left one)", async () => {
  // It makes nothing of a ClientHello, and waits for more.
  await using silent = connectProxy();
  const proxy = proxyOf(silent, { scheme: "https" });
  const target = { hostname: HOST, port: 443, timeoutMs: 20_000, proxy };
  const ways: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => connectTls({ ...target, ...client, caCerts: [ca.pem], checkFirst: true, signal }),
    (signal) => probeChain({ ...target, signal }),
  ];
  for (const way of ways) {
    const stop = new AbortController();
    const dials = Array.from({ length: 5 }, () => assert.rejects(way(stop.signal), /enough/));
    await until("each dial is at the proxy", () => silent.open === 5);
    stop.abort(new Error("enough"));
    await Promise.all(dials);
    await until("no connection is left at the proxy", () => silent.open === 0);
  }
});

Deno.test("connectTls() and probeChain() reach the host through a SOCKS5 proxy, and connectTls() verifies its name", async () => {
  await using ingress = lateEcho();
  await using proxy = socksProxy();
  proxy.targets.set(`${HOST}:443`, ingress.port);
  const socks = proxyOf(proxy, { scheme: "socks5" });
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
    (error) => error instanceof DialError && error.code === "untrusted",
  );
});

Deno.test("openTunnel() keeps the bytes that come with the proxy's answer", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(1000));
    await conn.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nVia: x\r\n\r\nearly"));
  })();
  const { stream, early } = await openTunnel({
    proxy: proxyOf(listener.addr),
    hostname: HOST,
    port: 443,
    timeoutMs: 5000,
  });
  await served;
  listener.close();
  stream.close();
  assert.equal(new TextDecoder().decode(early), "early");
});

Deno.test("openRelay() closes whoever else connects before a byte, and gives the tunnel to the one it was opened for", async () => {
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

Deno.test("openRelay() closes the tunnel if no descriptor is left for its listener (each such dial left the tunnel open)", async () => {
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
      // Full.
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
