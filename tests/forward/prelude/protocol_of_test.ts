import assert from "node:assert/strict";
import { protocolOf } from "../../../src/forward/prelude/protocol_of.ts";
import { clientHello, records } from "../../fakes/client_hello.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { fakeClock } from "../../fakes/fake_clock.ts";
import { concat, latin1 } from "../../fakes/memory_stream.ts";
import { route } from "../../fakes/routes.ts";
import { startForwarder } from "../../fakes/start_forwarder.ts";
import { UnroutedLog } from "../../../src/forward/prelude/unrouted_log.ts";

/** An LDAPMessage with the id 1 and this operation. */
function ldap(operation: number, body: Uint8Array): Uint8Array {
  const message = concat([Uint8Array.of(2, 1, 1, operation, body.length), body]);
  return concat([Uint8Array.of(0x30, message.length), message]);
}

const START_TLS = concat([Uint8Array.of(0x80, 22), latin1("1.3.6.1.4.1.1466.20037")]);

/** The first bytes of each protocol, as its usual client sends them. */
const FIRST_BYTES: readonly (readonly [string | undefined, Uint8Array])[] = [
  ["PostgreSQL without TLS", Uint8Array.of(0, 0, 0, 41, 0, 3, 0, 0)],
  ["a PostgreSQL cancel request", Uint8Array.of(0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e)],
  [
    "LDAP with StartTLS that ngrokd cannot answer",
    ldap(0x77, concat([START_TLS, Uint8Array.of(0x81, 0)])),
  ],
  ["LDAP without TLS", ldap(0x60, Uint8Array.of(2, 1, 3, 4, 0, 0x80, 0))],
  ["RDP", Uint8Array.of(3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0)],
  ["SQL Server (TDS)", Uint8Array.of(0x12, 1, 0, 0x2f, 0, 0, 1, 0)],
  ["XMPP", latin1("<?xml version='1.0'?><stream:stream to='a.example'")],
  ["SSH", latin1("SSH-2.0-OpenSSH_9.2\r\n")],
  ["Redis without TLS", latin1("*1\r\n$4\r\nPING\r\n")],
  ["AMQP without TLS", latin1("AMQP\0\0\x09\x01")],
  ["MQTT without TLS", latin1("\x10\x10\0\x04MQTT\x04\x02\0\x3c")],
  ["HTTP without TLS", latin1("GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
  [undefined, records(clientHello({ name: "a.example" }))],
  [undefined, latin1("hello")],
  [undefined, new Uint8Array(0)],
  [undefined, new Uint8Array(600)],
  [undefined, Uint8Array.of(0x30, 0xff, 0, 0, 0, 0)],
];

Deno.test("protocolOf() names a protocol by its first bytes, and throws for no prefix of them", () => {
  for (const [name, bytes] of FIRST_BYTES) {
    assert.equal(protocolOf(bytes)?.name, name);
    for (let length = 0; length < bytes.length; length++) protocolOf(bytes.subarray(0, length));
  }
});

Deno.test("a shared tls port logs the protocol that it refuses, and the next step", async () => {
  await using log = await captureLog();
  await using started = startForwarder([route("tls://a.example:636", { listenInterface: "0.0.0.0" })]);
  const named = FIRST_BYTES.filter(([name]) => name !== undefined);
  for (const [, bytes] of named) await started.exchange(bytes);
  await started.exchange(records(clientHello({})));
  const expected = [...named.map(([name]) => name), "TLS without a server name (SNI)"];
  const lines = log.records.filter(({ level }) => level === "warning");
  assert.deepEqual(lines.map(({ properties }) => properties.protocol), expected);
  for (const { properties } of lines) {
    assert.match(String(properties.hint), /^(Use|Connect|Give) /);
    // Two steps were two sentences, as if both were needed.
    assert.doesNotMatch(String(properties.hint), /\. [A-Z]/);
  }
});

Deno.test("a port that https and http endpoints share names other protocols, and no slow HTTP", async () => {
  await using log = await captureLog();
  const shared = { listenInterface: "0.0.0.0" };
  await using started = startForwarder(
    [route("tls://a.example:443", shared), route("http://b.example:443", shared)],
    { limits: { headMs: 100 } },
  );
  for (const text of ["GET / HTTP/1.1\r\nHost: b.ex", "GET / HTTP/1.1\r\nBad\r\n\r\n", "SSH-2.0-x\r\n"]) {
    await started.exchange(text);
  }
  assert.deepEqual(log.records.flatMap(({ properties }) => properties.protocol ?? []), ["SSH"]);
});

Deno.test("a client that sends nothing to a shared tls port is closed after 5 s with a line", async () => {
  await using log = await captureLog();
  await using started = startForwarder([route("tls://a.example:3306", { listenInterface: "0.0.0.0" })], {
    limits: { helloMs: 100 },
  });
  using conn = await started.dial();
  assert.equal(await conn.read(new Uint8Array(1)), null);
  assert.match(log.lines("warning").join(), /the server speaks first, such as MySQL, MariaDB, SMTP/);
  // A browser opens connections in reserve, and a health check closes at once.
  await started.exchange("");
  started.setRoutes(route("http://a.example:80", { listenInterface: "0.0.0.0" }));
  using reserve = await started.dial();
  assert.equal(await reserve.read(new Uint8Array(1)), null);
  started.setRoutes(route("https://a.example:443", { listenInterface: "0.0.0.0" }));
  using secure = await started.dial();
  assert.equal(await secure.read(new Uint8Array(1)), null);
  assert.equal(log.lines("warning").length, 1);
});

Deno.test("UnroutedLog writes at most 20 lines in an hour, and counts the others", async () => {
  await using log = await captureLog();
  using clock = fakeClock();
  const unrouted = new UnroutedLog();
  const report = (port: number) =>
    unrouted.report(`0.0.0.0:${port}`, { protocol: { name: "RDP", hint: "Wait" }, peer: "192.0.2.1" });
  for (let count = 0; count < 100; count++) report(1000 + count % 50);
  assert.equal(log.lines("warning").length, 20);
  clock.spend(3_600_000);
  report(1000);
  assert.deepEqual(log.lines("warning").slice(20), [
    "Suppressed 80 messages about connections that name no endpoint",
    "Cannot route a connection on 0.0.0.0:1000: it names no endpoint; it looks like RDP",
  ]);
});
