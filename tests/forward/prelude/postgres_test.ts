import assert from "node:assert/strict";
import { DialGate } from "../../../src/forward/admission/dial_gate.ts";
import { IngressSlots, type SlotRequest } from "../../../src/forward/admission/ingress_slots.ts";
import { LIMITS } from "../../../src/forward/admission/limits.ts";
import { answerClient } from "../../../src/forward/prelude/answer_client.ts";
import { openPrepared } from "../../../src/forward/prelude/open_prepared.ts";
import { Attempts } from "../../../src/lib/attempts.ts";
import { writeAll } from "../../../src/system/byte_stream.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { clientHello, records } from "../../fakes/client_hello.ts";
import { fakeClock } from "../../fakes/fake_clock.ts";
import { type Behaviour, type Conn, fakeIngress, WELCOME } from "../../fakes/fake_ingress.ts";
import {
  concat,
  copyStream,
  latin1,
  memoryPair,
  readAll,
  readExactly,
  send,
  text,
} from "../../fakes/memory_stream.ts";
import { route } from "../../fakes/routes.ts";
import { startForwarder } from "../../fakes/start_forwarder.ts";

const SSL = Uint8Array.of(0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f);
const GSS = Uint8Array.of(0, 0, 0, 8, 4, 0xd2, 0x16, 0x30);
const CANCEL = Uint8Array.of(0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e, 0, 0, 0, 1, 0, 0, 0, 2);
const STARTUP = concat([Uint8Array.of(0, 0, 0, 22, 0, 3, 0, 0), latin1("user\0postgres\0\0")]);
const HELLO = records(clientHello({ name: "b.db.example" }));
const UNKNOWN_NAME = Uint8Array.of(0x15, 3, 3, 0, 2, 2, 112);

/** A PostgreSQL server: it demands an SSLRequest, gives this answer, and then returns all bytes. */
function postgres(answer: string): Behaviour {
  return async (conn) => {
    await send(conn, WELCOME);
    assert.deepEqual(await readExactly(conn, SSL.length), SSL);
    await send(conn, answer);
    await copyStream(conn, conn);
  };
}

/** A server that begins with TLS: it returns all bytes after a ClientHello, and refuses others. */
async function beginsWithTls(conn: Conn): Promise<void> {
  await send(conn, WELCOME);
  const first = await readExactly(conn, 1);
  if (first[0] !== 0x16) return await send(conn, UNKNOWN_NAME);
  await send(conn, first);
  await copyStream(conn, conn);
}

function startShared(behave?: Behaviour) {
  const shared = { listenInterface: "0.0.0.0" };
  return startForwarder([
    route("tls://a.db.example:5432", shared),
    route("tls://b.db.example:5432", shared),
    route("https://web.example:5432", shared),
  ], behave === undefined ? {} : { behave });
}

/** Sends each message, byte by byte, and demands its answer. */
async function converse(conn: Deno.TcpConn, steps: readonly (readonly [Uint8Array, string])[]) {
  for (const [bytes, answer] of steps) {
    for (const byte of bytes) await send(conn, Uint8Array.of(byte));
    assert.equal(text(await readExactly(conn, answer.length)), answer);
  }
}

Deno.test("PostgreSQL is routed by the ClientHello after SSLRequest or GSSENCRequest (R90)", async () => {
  for (const prelude of [[[SSL, "S"]], [[GSS, "N"], [SSL, "S"]]] as const) {
    await using started = startShared(postgres("S"));
    using conn = await started.dial();
    await converse(conn, prelude);
    await send(conn, HELLO);
    assert.deepEqual(await readExactly(conn, HELLO.length), HELLO);
    assert.deepEqual(started.ingress.asked, [{ host: "b.db.example", port: 5432 }]);
  }
});

Deno.test("a PostgreSQL client reaches a server that begins with TLS, by a second upstream", async () => {
  await using started = startShared(beginsWithTls);
  using conn = await started.dial();
  await converse(conn, [[SSL, "S"]]);
  await send(conn, HELLO);
  assert.deepEqual(await readExactly(conn, HELLO.length), HELLO);
  assert.equal(started.ingress.asked.length, 2);
});

Deno.test("a PostgreSQL server that declines TLS is named in the log, and the client is closed", async () => {
  await using log = await captureLog();
  await using started = startShared(postgres("N"));
  using conn = await started.dial();
  await converse(conn, [[SSL, "S"]]);
  await send(conn, HELLO);
  assert.equal((await readAll(conn)).length, 0);
  assert.match(log.lines("warning").join("\n"), /Cannot reach b\.db\.example:5432: PostgreSQL declines TLS/);
});

Deno.test("a PostgreSQL client that names no tls endpoint gets the TLS alert unrecognized_name", async () => {
  for (const name of [undefined, "c.db.example", "web.example"]) {
    await using started = startShared();
    using conn = await started.dial();
    await converse(conn, [[SSL, "S"]]);
    await send(conn, records(clientHello({ name })));
    assert.deepEqual(await readExactly(conn, UNKNOWN_NAME.length), UNKNOWN_NAME);
    assert.deepEqual(started.ingress.asked, []);
  }
});

// A man in the middle could add a query in clear text, which the server would take for an
// encrypted one (CVE-2021-23214).
Deno.test("bytes in clear text after an SSLRequest never reach the server", async () => {
  await using started = startShared(postgres("S"));
  assert.equal(await started.ask(concat([SSL, HELLO])), "");
  assert.deepEqual(started.ingress.asked, []);
});

Deno.test("PostgreSQL without TLS gets the reason as an error, and is named in the log", async () => {
  await using log = await captureLog();
  await using started = startShared();
  for (
    const [bytes, answer] of [[STARTUP, /^E.*FATAL.*needs the server name.*sslmode=require, or give/s], [
      CANCEL,
      /^$/,
    ]] as const
  ) {
    assert.match(await started.ask(bytes), answer);
  }
  using conn = await started.dial();
  // With gssencmode=require and sslmode=disable.
  await converse(conn, [[GSS, "N"]]);
  await send(conn, STARTUP);
  assert.match(text(await readAll(conn)), /^E.*FATAL/s);
  const [plain, cancel, ...more] = log.lines("warning");
  assert.match(
    plain!,
    /^Cannot route a connection on 127\.0\.0\.1:[0-9]+: .* looks like PostgreSQL without TLS$/,
  );
  assert.match(cancel!, /looks like a PostgreSQL cancel request$/);
  assert.deepEqual(more, [], "one line for each protocol of a listener");
});

Deno.test("a PostgreSQL client cannot hold a shared port longer than a ClientHello may take", async () => {
  for (const messages of [[SSL.subarray(0, 7)], [SSL], [GSS], [GSS, SSL]]) {
    const shared = { listenInterface: "0.0.0.0" };
    await using started = startForwarder(
      [route("tls://a.db.example:5432", shared), route("http://b.db.example:5432", shared)],
      { limits: { helloMs: 200, headMs: 60_000 } },
    );
    const start = performance.now();
    using conn = await started.dial();
    for (const bytes of messages) {
      await send(conn, bytes);
      if (bytes.length === 8) await readExactly(conn, 1);
    }
    assert.equal((await readAll(conn)).length, 0);
    const ms = performance.now() - start;
    assert.ok(ms > 150 && ms < 2000, `${ms} ms`);
  }
});

// The time that had passed was counted twice.
Deno.test("a PostgreSQL client has the whole time of a ClientHello, also in two segments", async () => {
  using clock = fakeClock();
  for (const [secondMs, kind] of [[2900, "hello"], [3100, "gone"]] as const) {
    const { near, far } = memoryPair();
    const first = { bytes: SSL, prelude: { protocol: "postgres", message: "ssl" } } as const;
    const answered = answerClient(near, first, { endMs: performance.now() + 5000 });
    await clock.pass(2000);
    await writeAll(far, HELLO.subarray(0, 20));
    await clock.pass(secondMs);
    await writeAll(far, HELLO.subarray(20));
    assert.equal((await answered).kind, kind);
  }
});

// A server that did not answer counted as one that begins with TLS: nobody saw the reason.
Deno.test("a PostgreSQL server that does not answer the request for TLS is named in the log", async () => {
  await using log = await captureLog();
  await using started = startForwarder([route("tls://a.db.example:5432", { listenInterface: "0.0.0.0" })], {
    behave: async (conn) => {
      await send(conn, WELCOME);
      await readAll(conn);
    },
    limits: { ingressMs: 400 },
  });
  using conn = await started.dial();
  await converse(conn, [[SSL, "S"]]);
  const start = performance.now();
  await send(conn, records(clientHello({ name: "a.db.example" })));
  assert.equal((await readAll(conn)).length, 0);
  assert.ok(performance.now() - start < 2000, "one deadline for the upstream and the answer");
  assert.match(
    log.lines("warning").join(),
    /a\.db\.example:5432: PostgreSQL does not answer the request for TLS/,
  );
  assert.equal(started.ingress.asked.length, 1);
});

Deno.test("the second upstream has the slot of the first one", async () => {
  const taken: string[] = [];
  class CountedSlots extends IngressSlots {
    override take(request: SlotRequest, signal: AbortSignal) {
      taken.push(request.endpoint);
      return super.take(request, signal);
    }
  }
  await using ingress = fakeIngress(beginsWithTls);
  using upstream = await openPrepared(
    { route: route("tls://a.t:5432"), host: "a.t", passthrough: true, prelude: "postgres" },
    {
      access: {
        connect: () => Deno.connect({ hostname: "127.0.0.1", port: ingress.port }),
        ingress: () => ({ hostname: "localhost", port: ingress.port }),
        clientPair: () => ({ cert: "c", key: "k" }),
        trust: () => [],
      },
      gate: new DialGate(5000),
      attempts: new Attempts(),
      limits: LIMITS,
      ingressSlots: new CountedSlots({ max: 1, maxUnsentBytes: 1e6, idleTimeoutMs: () => 0 }),
      slotRequest: { endpoint: "a.t:5432", source: undefined, evict: () => {} },
      signal: new AbortController().signal,
    },
  );
  assert.equal(upstream.early.length, 0);
  assert.deepEqual([ingress.asked.length, taken], [2, ["a.t:5432"]]);
});
