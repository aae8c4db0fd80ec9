import assert from "node:assert/strict";
import fc from "fast-check";
import { type TlsSniff, TlsSniffer } from "../../src/forward/sniff_tls.ts";
import { clientHello, extension, handshake, records, serverName, vector } from "../fakes/client_hello.ts";
import { concat, latin1, pattern } from "../fakes/memory_stream.ts";
import { cpuTimeMs } from "../fakes/cpu_time.ts";

const RUNS = { seed: 2, numRuns: 60 };

function sniffTls(bytes: Uint8Array): TlsSniff | "more" {
  return new TlsSniffer().sniff(bytes);
}

function reasonOf(bytes: Uint8Array): string {
  const sniff = sniffTls(bytes);
  assert.ok(sniff !== "more" && sniff.kind === "error", `expected an error, got ${JSON.stringify(sniff)}`);
  return sniff.reason;
}

Deno.test("TlsSniffer finds the name in Deno's own hello", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialling = Deno.connectTls({ hostname: "localhost", port: listener.addr.port }).then(async (conn) => {
    using open = conn;
    await open.handshake();
  });
  const failing = assert.rejects(dialling);
  using conn = await listener.accept();
  const buffer = new Uint8Array(4096);
  const count = await conn.read(buffer);
  assert.deepEqual(sniffTls(buffer.subarray(0, count!)), { kind: "hello", name: "localhost" });
  conn.close();
  await failing;
});

Deno.test("TlsSniffer finds the name for any cut into records and segments", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 700 }),
      fc.integer({ min: 0, max: 3000 }),
      fc.integer({ min: 1, max: 400 }),
      (max, padding, step) => {
        const whole = records(clientHello({ name: "A.Example.com.", padding }), max);
        const sniffer = new TlsSniffer();
        for (let length = 0; length < whole.length; length += step) {
          assert.equal(sniffer.sniff(whole.slice(0, length)), "more");
        }
        assert.equal(sniffTls(whole.subarray(0, whole.length - 1)), "more");
        assert.deepEqual(sniffer.sniff(whole), { kind: "hello", name: "a.example.com" });
        assert.deepEqual(sniffTls(whole), { kind: "hello", name: "a.example.com" });
      },
    ),
    RUNS,
  );
});

Deno.test("TlsSniffer reads each byte once, also in records and segments of one byte", () => {
  const whole = records(clientHello({ name: "a.example.com", padding: 9_000 }), 1);
  const sniffer = new TlsSniffer();
  const start = cpuTimeMs();
  for (let length = 1; length < whole.length; length++) {
    assert.equal(sniffer.sniff(whole.subarray(0, length)), "more");
  }
  assert.deepEqual(sniffer.sniff(whole), { kind: "hello", name: "a.example.com" });
  assert.ok(cpuTimeMs() - start < 1000, `took ${cpuTimeMs() - start} ms`);
});

Deno.test("TlsSniffer ignores bytes after the hello", () => {
  const whole = records(clientHello({ name: "a.example.com" }));
  assert.deepEqual(sniffTls(concat([whole, pattern(300)])), { kind: "hello", name: "a.example.com" });
});

Deno.test("TlsSniffer accepts a hello of almost 64 KiB and refuses a larger one", () => {
  const large = records(clientHello({ name: "a.example.com", padding: 65_100 }));
  assert.deepEqual(sniffTls(large), { kind: "hello", name: "a.example.com" });
  const header = Uint8Array.of(0x16, 3, 1, 0, 4, 1, 2, 0, 0);
  assert.match(reasonOf(header), /larger than 64 KiB/);
});

Deno.test("TlsSniffer decides at 64 KiB even if the records are tiny", () => {
  const whole = records(clientHello({ name: "a.example.com", padding: 30_000 }), 1);
  assert.match(reasonOf(whole.subarray(0, 65_536)), /larger than 64 KiB/);
});

Deno.test("TlsSniffer returns no name if the client sends none", () => {
  assert.deepEqual(sniffTls(records(clientHello({}))), { kind: "hello", name: undefined });
  const bare = concat([
    Uint8Array.of(3, 1),
    new Uint8Array(32),
    vector(1, new Uint8Array(0)),
    vector(2, Uint8Array.of(0, 47)),
    vector(1, Uint8Array.of(0)),
  ]);
  assert.deepEqual(sniffTls(records(handshake(1, bare))), { kind: "hello", name: undefined });
});

Deno.test("TlsSniffer returns the outer name of an Encrypted Client Hello", () => {
  const inner = extension(0xfe0d, pattern(400));
  assert.deepEqual(sniffTls(records(clientHello({ name: "public.example", before: [inner] }))), {
    kind: "hello",
    name: "public.example",
  });
});

Deno.test("TlsSniffer skips names of unknown types", () => {
  const names = serverName([[7, latin1("x")], [0, latin1("a.example.com")]]);
  assert.deepEqual(sniffTls(records(clientHello({ before: [names] }))), {
    kind: "hello",
    name: "a.example.com",
  });
});

Deno.test("TlsSniffer refuses ambiguous and malformed hellos", () => {
  const one = serverName([[0, latin1("a.example.com")]]);
  const cases: Record<string, [Uint8Array, RegExp]> = {
    "not TLS": [latin1("GET / HTTP/1.1\r\n"), /not a TLS handshake/],
    "SSL 2": [Uint8Array.of(0x16, 2, 0), /not TLS/],
    "another handshake message": [
      records(handshake(2, new Uint8Array(40))),
      /does not begin with a ClientHello/,
    ],
    "an empty hello": [records(handshake(1, new Uint8Array(0))), /empty/],
    "an empty record": [Uint8Array.of(0x16, 3, 1, 0, 0), /wrong length/],
    "a record that is too long": [Uint8Array.of(0x16, 3, 1, 0x40, 1), /wrong length/],
    "two names": [
      records(
        clientHello({ before: [serverName([[0, latin1("a.example.com")], [0, latin1("b.example.com")]])] }),
      ),
      /twice/,
    ],
    "two extensions": [records(clientHello({ name: "a.example.com", after: [one] })), /twice/],
    "no name in the list": [
      records(clientHello({ before: [serverName([])] })),
      /list of server names is empty/,
    ],
    "a name with a NUL": [records(clientHello({ name: "a\0.example.com" })), /not a host name/],
    "an address": [records(clientHello({ name: "127.0.0.1" })), /not a host name/],
    "a name that is too long": [records(clientHello({ name: "a".repeat(300) })), /not a host name/],
    "a length past the end": [
      records(clientHello({ before: [Uint8Array.of(0, 0, 0xff, 0xff)] })),
      /past the end/,
    ],
    "bytes after the name": [
      records(
        clientHello({ before: [extension(0, concat([vector(2, new Uint8Array(0)), Uint8Array.of(1)]))] }),
      ),
      /bytes follow the server name/,
    ],
  };
  for (const [what, [bytes, reason]] of Object.entries(cases)) assert.match(reasonOf(bytes), reason, what);
  const split = records(clientHello({ name: "a.example.com" }), 50);
  split[55] = 0x15;
  assert.match(reasonOf(split), /not a TLS handshake/, "an alert between two records");
});

Deno.test("TlsSniffer refuses malformed lists in the body", () => {
  function hello(
    parts: { session?: number; suites?: number; methods?: number; tail?: Uint8Array },
  ): Uint8Array {
    const { session = 0, suites = 2, methods = 1, tail = new Uint8Array(0) } = parts;
    return records(handshake(
      1,
      concat([
        new Uint8Array(34),
        vector(1, new Uint8Array(session)),
        vector(2, new Uint8Array(suites)),
        vector(1, new Uint8Array(methods)),
        tail,
      ]),
    ));
  }
  assert.deepEqual(sniffTls(hello({})), { kind: "hello", name: undefined });
  assert.match(reasonOf(hello({ session: 33 })), /session id/);
  assert.match(reasonOf(hello({ suites: 3 })), /cipher suites/);
  assert.match(reasonOf(hello({ suites: 0 })), /cipher suites/);
  assert.match(reasonOf(hello({ methods: 0 })), /compression/);
  assert.match(reasonOf(hello({ tail: Uint8Array.of(0, 0, 9) })), /bytes follow the extensions/);
});

Deno.test("TlsSniffer never throws for any bytes", () => {
  const whole = records(clientHello({ name: "a.example.com" }), 60);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(whole.length - 1),
      fc.nat(255),
      (noise, index, value) => {
        sniffTls(noise);
        const damaged = whole.slice();
        damaged[index] = value;
        sniffTls(damaged);
      },
    ),
    { seed: 3, numRuns: 500 },
  );
});
