import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { DialError, type DialFailure } from "../../src/model/errors.ts";
import type { ByteStream } from "../../src/system/byte_stream.ts";
import { freePort } from "../../sim/daemon_harness.ts";
import { connectTls, type TlsDialOptions } from "../../src/system/connect_tls.ts";
import { countedSignal } from "../fakes/counted_signal.ts";
import { latin1 } from "../fakes/memory_stream.ts";
import { runModule } from "../fakes/run_module.ts";
import { TestCa, type TestPair } from "../fakes/test_ca.ts";

const ca = await TestCa.create();
const stranger = await TestCa.create("Stranger");
const client = await ca.pair();

function dial(fields: Partial<TlsDialOptions> & { readonly port: number }): Promise<ByteStream> {
  return connectTls({ hostname: "localhost", ...client, caCerts: [ca.pem], timeoutMs: 5000, ...fields });
}

function fails(code: DialFailure, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DialError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    assert.match(error.message, /^Cannot connect to [a-z0-9.-]+:\d+: /);
    return true;
  };
}

/** A TCP server that hands its first connection to `serve` and closes it afterwards. */
function serveTcp(
  serve: (conn: Deno.TcpConn) => Promise<unknown>,
): Disposable & { readonly port: number; readonly served: Promise<void> } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using conn = await listener.accept();
    await serve(conn);
  })().catch((error: unknown) => {
    if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.ConnectionReset)) {
      throw error;
    }
  });
  return { port: listener.addr.port, served, [Symbol.dispose]: () => listener.close() };
}

/**
 * A TLS server that echoes one message; `served` fulfils with the error of the handshake, if any.
 */
function serveTls(pair: TestPair): Disposable & { readonly port: number; readonly served: Promise<unknown> } {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pair });
  const served = (async () => {
    using conn = await listener.accept();
    await conn.handshake();
    const buffer = new Uint8Array(100);
    const count = await conn.read(buffer);
    if (count !== null) await conn.write(buffer.subarray(0, count));
  })().catch((error: unknown) => error);
  return { port: listener.addr.port, served, [Symbol.dispose]: () => listener.close() };
}

/** Reads until the end of the connection or a reset. */
async function drain(conn: { read(buffer: Uint8Array): Promise<number | null> }): Promise<void> {
  try {
    while (await conn.read(new Uint8Array(1024)) !== null);
  } catch {
    // The peer has reset the connection.
  }
}

Deno.test("connectTls() verifies the server and carries bytes", async () => {
  using server = serveTls(await ca.pair());
  const stream = await dial({ port: server.port });
  await stream.write(new TextEncoder().encode("ping"));
  const buffer = new Uint8Array(10);
  assert.equal(await stream.read(buffer), 4);
  stream.close();
  await server.served;
});

Deno.test("connectTls() sends the client certificate", async () => {
  const verify = { ca: ca.pem, requestCert: true, rejectUnauthorized: true };
  const server = tls.createServer({ ...await ca.pair(), ...verify });
  const authorized = Promise.withResolvers<boolean>();
  server.on("secureConnection", (socket) => {
    authorized.resolve(socket.authorized);
    socket.on("error", () => {});
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stream = await dial({ port: (server.address() as AddressInfo).port });
  assert.equal(await authorized.promise, true);
  await drain(stream);
  stream.close();
  await new Promise((resolve) => server.close(resolve));
});

for (
  const [certificate, pair, text] of [
    ["of an unknown CA", await stranger.pair(), /UnknownIssuer$/],
    ["for another name", await ca.pair({ names: ["other.example"] }), /other\.example/],
    ["that has expired", await ca.pair({ notAfter: new Date(Date.now() - 3_600_000) }), /[Ee]xpired/],
  ] as const
) {
  Deno.test(`connectTls() rejects a server certificate ${certificate} (F60)`, async () => {
    using server = serveTls(pair);
    await assert.rejects(dial({ port: server.port }), (error) => {
      const { hint } = error as DialError;
      // The hint must not tell the user to trust what may be a man in the middle.
      assert.equal(hint, "Compare what it presents with what is trusted: ngrokctl trust show");
      return fails("untrusted", /invalid peer certificate: /)(error) && fails("untrusted", text)(error);
    });
    assert.ok(await server.served instanceof Error);
  });
}

Deno.test("connectTls() reports a closed port as refused (F60)", async () => {
  await assert.rejects(dial({ port: freePort() }), (error) => {
    assert.match((error as DialError).hint!, /ingressEndpoint/);
    return fails("refused", /connection refused$/)(error);
  });
});

Deno.test("connectTls() reports a name that does not resolve", async () => {
  await assert.rejects(
    dial({ hostname: "no-such-host.invalid", port: 443 }),
    fails("name", /the name "no-such-host\.invalid" does not resolve$/),
  );
});

Deno.test("connectTls() reports a server that closes the connection as a reset (F60)", async () => {
  using server = serveTcp(() => Promise.resolve());
  await assert.rejects(dial({ port: server.port }), fails("reset", /reset$/));
  await server.served;
});

Deno.test("connectTls() ends in time at a server that accepts and stays silent (F60)", async () => {
  // Deno continues the handshake of a closed connection until the server ends it.
  const end = Promise.withResolvers<void>();
  using server = serveTcp(() => end.promise);
  const started = performance.now();
  await assert.rejects(
    dial({ port: server.port, timeoutMs: 50 }),
    fails("timeout", /no response within 0\.05 s$/),
  );
  assert.ok(performance.now() - started < 2000);
  end.resolve();
  await server.served;
});

Deno.test("connectTls() does not blame the client certificate for garbage from the server (F60)", async () => {
  const greetings = [
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "220 mail.example ESMTP private key\r\n",
    "\0".repeat(100),
    "\x16\x03\x03\xff\xff",
    "\x15\x03\x03\x00\x02\x02\x28",
  ];
  for (const greeting of greetings) {
    using server = serveTcp(async (conn) => {
      await conn.write(latin1(greeting));
      await conn.closeWrite();
      await drain(conn);
    });
    await assert.rejects(dial({ port: server.port }), (error) => {
      assert.ok(error instanceof DialError, String(error));
      assert.ok(["handshake", "reset"].includes(error.code), `${error.code}: ${error.message}`);
      return true;
    });
    await server.served;
  }
});

Deno.test("connectTls() reports an unusable certificate or key of the client, and shows no key", async () => {
  using server = serveTcp(drain);
  const other = await ca.pair();
  const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
  const pairs = [
    { cert: client.cert, key: other.key },
    { cert: client.cert, key: "no key" },
    { cert: "none", key: client.key },
    { cert: garbage, key: client.key },
    { cert: client.cert, key: client.key.replace("MIG", "AIG") },
  ];
  for (const pair of pairs) {
    await assert.rejects(dial({ port: server.port, ...pair }), (error) => {
      fails("identity", /ngrokd's certificate or key cannot be used/)(error);
      assert.match((error as DialError).hint!, /ngrokctl refresh-cert --force/);
      assert.equal(Deno.inspect(error).includes(client.key.slice(40, 80)), false);
      return true;
    });
  }
});

Deno.test("connectTls() throws the signal's reason before the connect and during the handshake", async () => {
  class Stop extends Error {}
  await assert.rejects(dial({ port: 9, signal: AbortSignal.abort(new Stop()) }), Stop);
  const stop = new AbortController();
  const end = Promise.withResolvers<void>();
  using server = serveTcp(async (conn) => {
    await conn.read(new Uint8Array(1));
    stop.abort(new Stop());
    await end.promise;
  });
  await assert.rejects(dial({ port: server.port, signal: stop.signal }), Stop);
  end.resolve();
  await server.served;
});

// AbortSignal.any() would keep memory for each dial.
Deno.test("connectTls() leaves no listener on its signal", async () => {
  const { stop, listeners } = countedSignal();
  await assert.rejects(dial({ port: freePort(), signal: stop.signal }), DialError);
  assert.equal(listeners(), 0);
});

Deno.test("connectTls() names the flag for a host outside the permission set", async () => {
  const options = { hostname: "ingress.example", port: 443, ...client, caCerts: [], timeoutMs: 1000 };
  const code = `import { connectTls } from "../../src/system/connect_tls.ts";
    await connectTls(${JSON.stringify(options)})
      .catch(({ code, message, hint }) => console.log(JSON.stringify({ code, message, hint })));`;
  const { stdout, stderr } = await runModule(code, {
    permissions: ["--allow-read", "--allow-net=127.0.0.1"],
  });
  assert.deepEqual(JSON.parse(stdout || "{}"), {
    code: "other",
    message: 'Cannot connect to ingress.example:443: the permission set does not include "ingress.example"',
    hint: "Start ngrokd by its launcher, which adds --allow-net=ingress.example: ngrokd launch",
  }, stderr);
});
