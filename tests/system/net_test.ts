import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { BindError, DialError, type DialFailure } from "../../src/model/errors.ts";
import {
  type ByteStream,
  connectTls,
  listenTcp,
  localAddresses,
  type TlsDialOptions,
} from "../../src/system/net.ts";
import { TestCa, type TestPair } from "../fakes/test_ca.ts";
import { runModule } from "../fakes/run_module.ts";

const ca = await TestCa.create();
const stranger = await TestCa.create("Stranger");
const client = await ca.pair();

type Fields = Partial<TlsDialOptions> & { readonly port: number };

function dial(fields: Fields): Promise<ByteStream> {
  return connectTls({
    hostname: "localhost",
    ...client,
    caCerts: [ca.pem],
    timeoutMs: 5000,
    ...fields,
  });
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

/** A TCP server that hands each connection to `serve` and closes it afterwards. */
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

/** A TLS server that echoes one message; gives what the handshake came to. */
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

/** Reads until the other side is gone, however it goes. */
async function drain(conn: { read(buffer: Uint8Array): Promise<number | null> }): Promise<void> {
  try {
    while (await conn.read(new Uint8Array(1024)) !== null);
  } catch {
    // Reset: gone too.
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

Deno.test("connectTls() shows our certificate to the server", async () => {
  const server = tls.createServer({
    ...await ca.pair(),
    ca: ca.pem,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const shown = Promise.withResolvers<boolean>();
  server.on("secureConnection", (socket) => {
    shown.resolve(socket.authorized);
    socket.on("error", () => {});
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stream = await dial({ port: (server.address() as AddressInfo).port });
  assert.equal(await shown.promise, true);
  await drain(stream);
  stream.close();
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("connectTls() refuses a server of a CA that we do not trust, and leads to what it presents, not to trusting it (F60)", async () => {
  using server = serveTls(await stranger.pair());
  await assert.rejects(dial({ port: server.port }), (error) => {
    const { hint } = error as DialError;
    assert.equal(hint, "Compare what it presents with what is trusted: ngrokctl trust show");
    return fails("untrusted", /invalid peer certificate: UnknownIssuer$/)(error);
  });
  assert.ok(await server.served instanceof Error);
});

Deno.test("connectTls() refuses a certificate for another name (F60)", async () => {
  using server = serveTls(await ca.pair({ names: ["other.example"] }));
  await assert.rejects(
    dial({ port: server.port }),
    fails("untrusted", /invalid peer certificate: .*other\.example/),
  );
  await server.served;
});

Deno.test("connectTls() refuses an expired certificate (F60)", async () => {
  using server = serveTls(await ca.pair({ notAfter: new Date(Date.now() - 3_600_000) }));
  await assert.rejects(
    dial({ port: server.port }),
    fails("untrusted", /invalid peer certificate: .*[Ee]xpired/),
  );
  await server.served;
});

Deno.test("connectTls() calls a closed port refused (F60)", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(dial({ port }), fails("refused", /connection refused$/));
});

Deno.test("connectTls() calls a name that does not resolve a name", async () => {
  await assert.rejects(
    dial({ hostname: "no-such-host.invalid", port: 443 }),
    fails("name", /the name "no-such-host\.invalid" does not resolve$/),
  );
});

Deno.test("connectTls() gives up in time on a server that accepts and says nothing (F60)", async () => {
  // Deno goes on with the handshake of a closed connection until the server ends it: so it does here.
  const gone = Promise.withResolvers<void>();
  using server = serveTcp(() => gone.promise);
  const started = performance.now();
  await assert.rejects(
    dial({ port: server.port, timeoutMs: 50 }),
    fails("timeout", /no response within 0\.05 s$/),
  );
  assert.ok(performance.now() - started < 2000);
  gone.resolve();
  await server.served;
});

Deno.test("connectTls() does not take garbage for a fault of our certificate (F60)", async () => {
  const greetings = [
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "220 mail.example ESMTP private key\r\n",
    "\0".repeat(100),
    "\x16\x03\x03\xff\xff",
    "\x15\x03\x03\x00\x02\x02\x28",
  ];
  for (const greeting of greetings) {
    using server = serveTcp(async (conn) => {
      await conn.write(Uint8Array.from(greeting, (char) => char.charCodeAt(0)));
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

Deno.test("connectTls() calls a server that hangs up a reset (F60)", async () => {
  using server = serveTcp(() => Promise.resolve());
  await assert.rejects(dial({ port: server.port }), fails("reset", /reset$/));
  await server.served;
});

Deno.test("connectTls() calls a pair that does not match, and one that is no PEM, a fault of our identity", async () => {
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
      fails("identity", /our own certificate or key cannot be used/)(error);
      assert.match((error as DialError).hint!, /ngrokctl refresh-cert --force/);
      assert.equal(Deno.inspect(error).includes(client.key.slice(40, 80)), false);
      return true;
    });
  }
});

Deno.test("connectTls() throws the signal's reason when it aborts before, during the connect and during the handshake", async () => {
  class Stop extends Error {}
  await assert.rejects(dial({ port: 9, signal: AbortSignal.abort(new Stop()) }), Stop);
  const stop = new AbortController();
  const gone = Promise.withResolvers<void>();
  using server = serveTcp(async (conn) => {
    await conn.read(new Uint8Array(1));
    stop.abort(new Stop());
    await gone.promise;
  });
  await assert.rejects(dial({ port: server.port, signal: stop.signal }), Stop);
  gone.resolve();
  await server.served;
});

Deno.test("connectTls() holds no memory of a signal that lives on (AbortSignal.any did)", async () => {
  const stop = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = stop.signal;
  stop.signal.addEventListener = (...args: unknown[]) => {
    listeners++;
    Reflect.apply(addEventListener, stop.signal, args);
  };
  stop.signal.removeEventListener = (...args: unknown[]) => {
    listeners--;
    Reflect.apply(removeEventListener, stop.signal, args);
  };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(dial({ port, signal: stop.signal }), DialError);
  assert.equal(listeners, 0);
});

Deno.test("connectTls() to a name outside the permission set says so, with the flag", async () => {
  const code = `import { connectTls } from "../../src/system/net.ts";
    await connectTls({ hostname: "ingress.example", port: 443, cert: ${JSON.stringify(client.cert)}, key: ${
    JSON.stringify(client.key)
  }, caCerts: [], timeoutMs: 1000 })
      .catch(({ code, message, hint }) => console.log(JSON.stringify({ code, message, hint })));`;
  const { stdout, stderr } = await runModule(code, {
    permissions: ["--allow-read", "--allow-net=127.0.0.1"],
  });
  assert.deepEqual(JSON.parse(stdout || "{}"), {
    code: "other",
    message: 'Cannot connect to ingress.example:443: the permission set does not include "ingress.example"',
    hint: "Add --allow-net=ingress.example",
  }, stderr);
});

Deno.test("listenTcp() accepts, names the peer, and passes a half-close on", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  assert.equal(listener.key, `127.0.0.1:${listener.port}`);
  const [server, conn] = await Promise.all([listener.accept(), Deno.connect({ port: listener.port })]);
  assert.equal(server.peer, "127.0.0.1");
  await conn.closeWrite();
  const buffer = new Uint8Array(10);
  assert.equal(await server.read(buffer), null);
  await server.write(new Uint8Array([1]));
  assert.equal(await conn.read(buffer), 1);
  server.close();
  conn.close();
  listener.close();
});

Deno.test("listenTcp() accepts a client that is gone again already", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  const conn = await Deno.connect({ port: listener.port });
  conn.close();
  const server = await listener.accept();
  await drain(server);
  server.close();
  listener.close();
});

Deno.test("listenTcp() ends a pending accept when it is closed", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  listener.close();
  await assert.rejects(accepting, Deno.errors.BadResource);
});

Deno.test("listenTcp() tells in use and not available apart", () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  const cases = [["127.0.0.1", listener.port, "in_use"], ["192.0.2.1", 0, "not_available"]] as const;
  for (const [address, port, reason] of cases) {
    assert.throws(() => listenTcp({ address, port }), (error) => {
      assert.ok(error instanceof BindError);
      assert.deepEqual([error.reason, error.address], [reason, `${address}:${port}`]);
      return true;
    });
  }
  listener.close();
});

Deno.test("localAddresses() has the loopback address with its interface", () => {
  const loopback = localAddresses().find(({ address }) => address === "127.0.0.1");
  assert.match(loopback!.interface, /^lo/);
});
