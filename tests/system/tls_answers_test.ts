import assert from "node:assert/strict";
import { DialError } from "../../src/model/errors.ts";
import { closeQuietly } from "../../src/system/byte_stream.ts";
import { connectTls } from "../../src/system/net.ts";
import { answersTls } from "../../src/system/tls_answers.ts";
import { TestCa } from "../fakes/test_ca.ts";

const ca = await TestCa.create();
const client = await ca.pair();

/** A server that accepts and says `greeting`, or nothing. */
function server(greeting: string | undefined) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held = new Set<Deno.TcpConn>();
  let accepted = 0;
  async function serve(conn: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(4096);
    try {
      if (greeting !== undefined) await conn.write(new TextEncoder().encode(greeting));
      while (await conn.read(buffer) !== null);
    } catch {
      // Reset.
    }
    held.delete(conn);
    closeQuietly(conn);
  }
  const accepting = (async () => {
    for (;;) {
      const conn = await listener.accept();
      accepted++;
      held.add(conn);
      void serve(conn);
    }
  })().catch(() => {});
  return {
    port: listener.addr.port,
    /** Its connections: all that there were, and those that the client has not closed. */
    figures: () => ({ accepted, open: held.size }),
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of held) closeQuietly(conn);
    },
  };
}

Deno.test("answersTls() tells a server that is silent from one that says anything, refuses, or has no name", async () => {
  await using silent = server(undefined);
  await using loud = server("220 no TLS here\r\n");
  const answers = (port: number, hostname = "localhost") => answersTls({ hostname, port, timeoutMs: 40 });
  assert.equal(await answers(silent.port), false);
  assert.equal(await answers(silent.port, "127.0.0.1"), false);
  assert.equal(await answersTls({ hostname: "localhost", port: loud.port, timeoutMs: 5000 }), true);
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  assert.equal(await answersTls({ hostname: "127.0.0.1", port: closed.addr.port, timeoutMs: 5000 }), true);
  const stop = AbortSignal.abort();
  assert.equal(
    await answersTls({ hostname: "localhost", port: silent.port, timeoutMs: 5000, signal: stop }),
    false,
  );
});

Deno.test("connectTls() that checks first leaves no descriptor at a silent server (each dial left one) (F60)", async () => {
  await using silent = server(undefined);
  const dial = () =>
    connectTls({
      hostname: "localhost",
      port: silent.port,
      ...client,
      caCerts: [ca.pem],
      timeoutMs: 30,
      checkFirst: true,
    });
  const isTimeout = (error: unknown) => error instanceof DialError && error.code === "timeout";
  for (let count = 0; count < 10; count++) await assert.rejects(dial(), isTimeout);
  for (let i = 0; i < 500 && silent.figures().open > 0; i++) {
    await new Promise((done) => setTimeout(done, 10));
  }
  const { accepted, open } = silent.figures();
  assert.ok(accepted > 0);
  assert.equal(open, 0, `of ${accepted}`);
});

Deno.test("connectTls() that checks first connects where a server answers, and says what is wrong where one refuses (F60)", async () => {
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
