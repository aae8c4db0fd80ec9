import assert from "node:assert/strict";
import {
  messageLength,
  resultCode,
  sniffStartTls,
  START_TLS,
  startTlsSuccess,
} from "../../../src/forward/prelude/ldap_message.ts";
import { REQUESTERS } from "../../../src/forward/prelude/request_tls.ts";
import { writeAll } from "../../../src/system/byte_stream.ts";
import { cpuTimeMs } from "../../fakes/cpu_time.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { clientHello, records } from "../../fakes/client_hello.ts";
import { type Behaviour, type Conn, WELCOME } from "../../fakes/fake_ingress.ts";
import {
  concat,
  copyStream,
  latin1,
  memoryPair,
  readAll,
  readExactly,
  send,
} from "../../fakes/memory_stream.ts";
import { route } from "../../fakes/routes.ts";
import { startForwarder } from "../../fakes/start_forwarder.ts";

const OID = latin1("1.3.6.1.4.1.1466.20037");
const HELLO = records(clientHello({ name: "b.ldap.example" }));

/** A StartTLS request with this encoded message id. */
function startTls(...id: number[]): Uint8Array {
  const body = concat([Uint8Array.of(...id, 0x77, 24, 0x80, 22), OID]);
  return concat([Uint8Array.of(0x30, body.length), body]);
}

/** A StartTLS request as Windows writes it: each length of a constructed element has 4 bytes. */
function windowsStartTls(id: number, lengthOfName: readonly number[] = [22]): Uint8Array {
  const name = concat([Uint8Array.of(0x80, ...lengthOfName), OID]);
  const operation = concat([Uint8Array.of(2, 1, id, 0x77, 0x84, 0, 0, 0, name.length), name]);
  return concat([Uint8Array.of(0x30, 0x84, 0, 0, 0, operation.length), operation]);
}

/** The response to it, with this result code and a diagnostic message in long form. */
function response(code: number, text = "", ...id: number[]): Uint8Array {
  const result = concat([Uint8Array.of(0x0a, 1, code, 4, 0, 4, 0x81, text.length), latin1(text)]);
  const body = concat([Uint8Array.of(...id, 0x78, 0x81, result.length), result]);
  return concat([Uint8Array.of(0x30, 0x81, body.length), body]);
}

/** An LDAP server: it demands StartTLS, gives this answer, and then returns all bytes. */
function server(answer: Uint8Array): Behaviour {
  return async (conn) => {
    await send(conn, WELCOME);
    assert.deepEqual(await readExactly(conn, START_TLS.length), START_TLS);
    // Bytes of the client must not be taken for a part of the answer.
    for (const byte of answer) await send(conn, Uint8Array.of(byte));
    await copyStream(conn, conn);
  };
}

async function beginsWithTls(conn: Conn): Promise<void> {
  await send(conn, WELCOME);
  const first = await readExactly(conn, 1);
  if (first[0] !== 0x16) return;
  await send(conn, first);
  await copyStream(conn, conn);
}

function startShared(behave: Behaviour) {
  const shared = { listenInterface: "0.0.0.0" };
  return startForwarder(
    ["a", "b"].map((name) => route(`tls://${name}.ldap.example:389`, shared)),
    { behave },
  );
}

// Only lengths in short form were recognised, but Windows writes 4 bytes.
Deno.test("sniffStartTls() recognises a whole request with any id and lengths, and waits for its end", () => {
  for (
    const [bytes, ...id] of [
      [startTls(2, 1, 1), 1],
      [startTls(2, 1, 127), 127],
      [startTls(2, 4, 0x7f, 0, 0, 1), 0x7f, 0, 0, 1],
      [startTls(2, 0x81, 1, 5), 5],
      [windowsStartTls(3), 3],
      [windowsStartTls(3, [0x84, 0, 0, 0, 22]), 3],
    ] as const
  ) {
    assert.deepEqual(sniffStartTls(concat([bytes, Uint8Array.of(1)])), {
      id: Uint8Array.of(...id),
      length: bytes.length,
    });
    for (let end = 0; end < bytes.length; end++) assert.equal(sniffStartTls(bytes.subarray(0, end)), "more");
  }
  assert.deepEqual(START_TLS, startTls(2, 1, 1));
});

Deno.test("sniffStartTls() decides about other first bytes at once", () => {
  const bind = Uint8Array.of(0x30, 12, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0);
  const otherOid = startTls(2, 1, 1).with(10, 0x32);
  for (
    const bytes of [
      ...[bind, otherOid, startTls(2, 0), startTls(2, 5, 0, 0, 0, 0, 1), HELLO, latin1("GET / HTTP/1.1\r\n")],
      ...[latin1("0ABC / HTTP/1.1\r\n"), Uint8Array.of(0x30, 0x81, 1), Uint8Array.of(0x30, 0xff)],
      ...[Uint8Array.of(0x30, 0x80), Uint8Array.of(0x30, 0x84, 0, 1, 0, 0), Uint8Array.of(0x30, 0x85)],
      ...[windowsStartTls(3, [21]), windowsStartTls(3, [23]), windowsStartTls(3, [0x84, 255, 255, 255, 255])],
      ...[windowsStartTls(3).with(5, 30), windowsStartTls(3).with(13, 23)],
    ]
  ) assert.equal(sniffStartTls(bytes), undefined);
});

Deno.test("resultCode() reads the answers of servers, and nothing else", () => {
  assert.equal(resultCode(startTlsSuccess({ id: Uint8Array.of(5), length: 31 })), 0);
  assert.equal(resultCode(response(52, "no TLS", 2, 1, 1)), 52);
  const answer = response(0, "", 2, 2, 1, 0);
  assert.equal(messageLength(answer), answer.length);
  assert.equal(messageLength(answer.subarray(0, 2)), "more");
  for (
    const bytes of [Uint8Array.of(0x15), Uint8Array.of(0x30, 0x84, 1, 0, 0, 0), Uint8Array.of(0x30, 0x80)]
  ) {
    assert.equal(messageLength(bytes), undefined);
  }
  for (let end = 2; end < answer.length; end++) resultCode(answer.subarray(0, end));
  assert.equal(resultCode(startTls(2, 1, 1)), undefined);
});

Deno.test("an LDAP client with StartTLS is routed by the ClientHello (R90)", async () => {
  for (
    const behave of [server(response(0, "", 2, 1, 1)), server(response(0, "fine", 2, 1, 1)), beginsWithTls]
  ) {
    await using started = startShared(behave);
    using conn = await started.dial();
    await send(conn, windowsStartTls(9));
    const answer = startTlsSuccess({ id: Uint8Array.of(9), length: 31 });
    assert.deepEqual(await readExactly(conn, answer.length), answer);
    await send(conn, HELLO);
    assert.deepEqual(await readExactly(conn, HELLO.length), HELLO);
    assert.deepEqual(started.ingress.asked[0], { host: "b.ldap.example", port: 389 });
  }
});

// The answer was copied for each byte: 302 ms for 4 KiB.
Deno.test("an LDAP answer of 4 KiB takes less than 60 ms, and no byte of what follows is read", async () => {
  const body = concat([Uint8Array.of(2, 1, 1, 0x78, 0x82, 0x0f, 0xf1, 0x0a, 1, 0), new Uint8Array(4078)]);
  const answer = concat([Uint8Array.of(0x30, 0x84, 0, 0, body.length >> 8, body.length & 255), body]);
  for (const segment of [1, 7, Infinity]) {
    const { near, far } = memoryPair({ segment });
    await writeAll(far, concat([answer, Uint8Array.of(42)]));
    const started = cpuTimeMs();
    assert.equal(await REQUESTERS.ldap.request(near), "accepted");
    assert.ok(cpuTimeMs() - started < 60);
    assert.deepEqual(await readExactly(near, 1), Uint8Array.of(42));
  }
});

Deno.test("an LDAP server that declines StartTLS is named in the log", async () => {
  await using log = await captureLog();
  await using started = startShared(server(response(52, "unavailable", 2, 1, 1)));
  using conn = await started.dial();
  await send(conn, startTls(2, 1, 1));
  await readExactly(conn, 14);
  await send(conn, HELLO);
  assert.equal((await readAll(conn)).length, 0);
  assert.match(
    log.lines("warning").join(),
    /Cannot reach b\.ldap\.example:389: the LDAP server declines TLS/,
  );
});

Deno.test("bytes in clear text after StartTLS never reach the LDAP server", async () => {
  await using started = startShared(server(response(0, "", 2, 1, 1)));
  assert.equal(await started.ask(concat([startTls(2, 1, 1), HELLO])), "");
  assert.deepEqual(started.ingress.asked, []);
});
