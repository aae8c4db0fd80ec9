import assert from "node:assert/strict";
import { DialError } from "../../src/model/errors.ts";
import { closeQuietly } from "../../src/system/byte_stream.ts";
import { connectTls } from "../../src/system/connect_tls.ts";
import { answersTls } from "../../src/system/tls_answers.ts";
import { freePort } from "../../sim/daemon_harness.ts";
import { until } from "../fakes/sockets.ts";
import { TestCa } from "../fakes/test_ca.ts";

const ca = await TestCa.create();
const client = await ca.pair();

/** A server that sends `greeting`, or nothing, to each client. */
function server(greeting: string | undefined) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  let accepted = 0;
  async function serve(conn: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(4096);
    try {
      if (greeting !== undefined) await conn.write(new TextEncoder().encode(greeting));
      while (await conn.read(buffer) !== null);
    } catch {
      // The client has reset the connection.
    }
    open.delete(conn);
    closeQuietly(conn);
  }
  const accepting = (async () => {
    for (;;) {
      const conn = await listener.accept();
      accepted++;
      open.add(conn);
      void serve(conn);
    }
  })().catch(() => {});
  return {
    port: listener.addr.port,
    /** The number of all connections, and of those that the client has not closed. */
    counts: () => ({ accepted, open: open.size }),
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of open) closeQuietly(conn);
    },
  };
}

Deno.test("answersTls() is false for a silent server and on an abort, otherwise true", async () => {
  await using silent = server(undefined);
  await using loud = server("220 no TLS here\r\n");
  const answers = (port: number, hostname = "localhost") => answersTls({ hostname, port, timeoutMs: 40 });
  assert.equal(await answers(silent.port), false);
  assert.equal(await answers(silent.port, "127.0.0.1"), false);
  assert.equal(await answersTls({ hostname: "localhost", port: loud.port, timeoutMs: 5000 }), true);
  assert.equal(await answersTls({ hostname: "127.0.0.1", port: freePort(), timeoutMs: 5000 }), true);
  const stop = AbortSignal.abort();
  assert.equal(
    await answersTls({ hostname: "localhost", port: silent.port, timeoutMs: 5000, signal: stop }),
    false,
  );
});

// Each dial once left a descriptor.
Deno.test("connectTls() with checkFirst leaves no connection at a silent server (F60)", async () => {
  await using silent = server(undefined);
  const target = { hostname: "localhost", port: silent.port, ...client, caCerts: [ca.pem] };
  const dial = () => connectTls({ ...target, timeoutMs: 30, checkFirst: true });
  const isTimeout = (error: unknown) => error instanceof DialError && error.code === "timeout";
  for (let count = 0; count < 10; count++) await assert.rejects(dial(), isTimeout);
  await until(() => silent.counts().open === 0);
  assert.ok(silent.counts().accepted > 0);
});

Deno.test("connectTls() with checkFirst connects, or reports an untrusted or refused connection (F60)", async () => {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...await ca.pair() });
  const { port } = listener.addr;
  const dial = (caCerts: string[]) =>
    connectTls({ hostname: "localhost", port, ...client, caCerts, timeoutMs: 5000, checkFirst: true });
  const accepting = (async () => {
    for (;;) {
      const conn = await listener.accept();
      void conn.handshake().catch(() => {}).finally(() => conn.close());
    }
  })().catch(() => {});
  (await dial([ca.pem])).close();
  await assert.rejects(dial([]), (error) => error instanceof DialError && error.code === "untrusted");
  listener.close();
  await accepting;
  await assert.rejects(dial([]), (error) => error instanceof DialError && error.code === "refused");
});
