import assert from "node:assert/strict";
import {
  messageLength,
  resultCode,
  sniffStartTls,
  START_TLS,
  startTlsSuccess,
} from "../../../src/forward/prelude/ldap_message.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { clientHello, records } from "../../fakes/client_hello.ts";
import { type Behaviour, type Conn, WELCOME } from "../../fakes/fake_ingress.ts";
import { concat, copyStream, latin1, readAll, readExactly, send } from "../../fakes/memory_stream.ts";
import { route } from "../../fakes/routes.ts";
import { startForwarder } from "../../fakes/start_forwarder.ts";

const OID = latin1("1.3.6.1.4.1.1466.20037");
const HELLO = records(clientHello({ name: "b.ldap.example" }));

/** A StartTLS request with this encoded message id. */
function startTls(...id: number[]): Uint8Array {
  const body = concat([Uint8Array.of(...id, 0x77, 24, 0x80, 22), OID]);
  return concat([Uint8Array.of(0x30, body.length), body]);
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

Deno.test("sniffStartTls() recognises a whole request with any id, and waits for its end", () => {
  for (const id of [[2, 1, 1], [2, 1, 127], [2, 4, 0x7f, 0, 0, 1]]) {
    const bytes = startTls(...id);
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
    ]
  ) assert.equal(sniffStartTls(bytes), undefined);
});

Deno.test("resultCode() reads the answers of servers, and nothing else", () => {
  assert.equal(resultCode(startTlsSuccess({ id: Uint8Array.of(2, 1, 5), length: 31 })), 0);
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
    await send(conn, startTls(2, 1, 9));
    const answer = startTlsSuccess({ id: Uint8Array.of(2, 1, 9), length: 31 });
    assert.deepEqual(await readExactly(conn, answer.length), answer);
    await send(conn, HELLO);
    assert.deepEqual(await readExactly(conn, HELLO.length), HELLO);
    assert.deepEqual(started.ingress.asked[0], { host: "b.ldap.example", port: 389 });
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
