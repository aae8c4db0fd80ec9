import assert from "node:assert/strict";
import { processFigures } from "../../scripts/process_figures.ts";
import { DialError } from "../../src/model/errors.ts";
import { connectTls } from "../../src/system/net.ts";
import { probeTls } from "../../src/system/tls_probe.ts";
import { TestAuthority } from "../fakes/certificates.ts";

const authority = await TestAuthority.create();
const client = await authority.issue({ names: ["client"] });

/** A server that accepts and says `greeting`, or nothing. */
function server(greeting: string | undefined) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held: Deno.TcpConn[] = [];
  const accepting = (async () => {
    for (;;) {
      const conn = await listener.accept();
      held.push(conn);
      if (greeting !== undefined) await conn.write(new TextEncoder().encode(greeting)).catch(() => {});
    }
  })().catch(() => {});
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of held) conn.close();
    },
  };
}

Deno.test("probeTls() tells a server that is silent from one that says anything, refuses, or has no name", async () => {
  await using silent = server(undefined);
  await using loud = server("220 no TLS here\r\n");
  const probe = (port: number, hostname = "localhost") => probeTls({ hostname, port, timeoutMs: 40 });
  assert.equal(await probe(silent.port), false);
  assert.equal(await probe(silent.port, "127.0.0.1"), false);
  assert.equal(await probeTls({ hostname: "localhost", port: loud.port, timeoutMs: 5000 }), true);
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  assert.equal(await probeTls({ hostname: "127.0.0.1", port: closed.addr.port, timeoutMs: 5000 }), true);
  const stop = AbortSignal.abort();
  assert.equal(
    await probeTls({ hostname: "localhost", port: silent.port, timeoutMs: 5000, signal: stop }),
    false,
  );
});

Deno.test("connectTls() that probes leaves no descriptor at a silent server (each dial left one) (F60)", async () => {
  await using silent = server(undefined);
  const dial = () =>
    connectTls({
      hostname: "localhost",
      port: silent.port,
      ...client,
      caCerts: [authority.pem],
      timeoutMs: 30,
      probe: true,
    });
  const isTimeout = (error: unknown) => error instanceof DialError && error.code === "timeout";
  await assert.rejects(dial(), isTimeout);
  const before = (await processFigures(Deno.pid)).descriptors;
  for (let count = 0; count < 10; count++) await assert.rejects(dial(), isTimeout);
  const after = (await processFigures(Deno.pid)).descriptors;
  assert.ok(after - before <= 12, `${after - before} more, 10 of them the server's`);
});

Deno.test("connectTls() that probes connects where a server answers, and says what is wrong where one refuses (F60)", async () => {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...await authority.issue() });
  const { port } = listener.addr;
  const dial = (caCerts: string[]) =>
    connectTls({ hostname: "localhost", port, ...client, caCerts, timeoutMs: 5000, probe: true });
  const accepting = (async () => {
    for (;;) {
      const conn = await listener.accept();
      void conn.handshake().catch(() => {}).finally(() => conn.close());
    }
  })().catch(() => {});
  (await dial([authority.pem])).close();
  await assert.rejects(dial([]), (error) => error instanceof DialError && error.code === "untrusted");
  listener.close();
  await accepting;
  await assert.rejects(dial([]), (error) => error instanceof DialError && error.code === "refused");
});
