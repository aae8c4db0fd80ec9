import assert from "node:assert/strict";
import fc from "fast-check";
import { type HeadRules, OWN_HEAD, SHARED_HEAD } from "../../../src/forward/http/head_rules.ts";
import type { RequestHead } from "../../../src/forward/http/parse_head.ts";
import { type HttpSniff, PartialHead, sniffHttp } from "../../../src/forward/http/sniff_http.ts";
import { latin1 } from "../../fakes/memory_stream.ts";
import { cpuTimeMs } from "../../fakes/cpu_time.ts";

function headOf(text: string, rules: HeadRules = SHARED_HEAD): RequestHead {
  const sniff = sniffHttp(latin1(text), { rules });
  assert.ok(sniff !== "more" && sniff.kind === "request", `expected a request, got ${JSON.stringify(sniff)}`);
  return sniff.head;
}

function errorOf(text: string, rules: HeadRules = SHARED_HEAD): HttpSniff & { kind: "error" } {
  const sniff = sniffHttp(latin1(text), { rules });
  assert.ok(sniff !== "more" && sniff.kind === "error", `expected an error, got ${JSON.stringify(sniff)}`);
  return sniff;
}

Deno.test("sniffHttp() reads method, host, port and body of a request, and its length", () => {
  const text = "POST /a?b HTTP/1.1\r\nHOST:\t API.MyApp.:8080 \r\nContent-Length: 12\r\n\r\n";
  const head = headOf(`${text}hello`);
  assert.equal(head.length, text.length);
  assert.equal(head.method, "POST");
  assert.equal(head.host, "api.myapp");
  assert.equal(head.port, 8080);
  assert.equal(head.body, 12);
  assert.deepEqual(head.fields.map((field) => text.slice(field.start, field.end)), [
    "HOST:\t API.MyApp.:8080 \r\n",
    "Content-Length: 12\r\n",
  ]);
});

Deno.test("sniffHttp() returns the offsets of authority, fields and values", () => {
  for (const text of ["GET HTTP://h:1/x HTTP/1.1\r\n", "\r\nOPTIONS http://h:1 HTTP/1.1\r\n"]) {
    const whole = `${text}X:\r\nHost:\t h:1 \r\nY: \r\n\r\n`;
    const { authority, fieldsStart, fields } = headOf(whole);
    assert.equal(whole.slice(authority!.start, authority!.end), "h:1");
    assert.equal(fieldsStart, text.length);
    assert.deepEqual(
      fields.map((
        { valueStart, value, start, end },
      ) => [whole.slice(valueStart, end), value, start < valueStart]),
      [["\r\n", "", true], ["h:1 \r\n", "h:1", true], [" \r\n", "", true]],
    );
  }
  assert.equal(headOf("GET / HTTP/1.1\r\nHost: a\r\n\r\n").authority, undefined);
});

Deno.test("sniffHttp() asks for more until the head is complete", () => {
  const text = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Y: z\r\n\r\n";
  for (let length = 0; length < text.length; length++) {
    assert.equal(sniffHttp(latin1(text.slice(0, length))), "more", text.slice(0, length));
  }
  assert.equal(headOf(text).host, "a.example");
});

Deno.test("sniffHttp() accepts one empty line before the request", () => {
  assert.equal(headOf("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").length, 29);
  assert.equal(errorOf("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
});

Deno.test("sniffHttp() prefers the host of an absolute target to the Host field", () => {
  const head = headOf("GET http://Good.example:81/x HTTP/1.1\r\nHost: other.example\r\n\r\n");
  assert.equal(head.host, "good.example");
  assert.equal(head.port, 81);
  assert.equal(headOf("GET https://good.example HTTP/1.0\r\n\r\n").host, "good.example");
});

Deno.test("sniffHttp() reads the host of a CONNECT from its Host field, else its target", () => {
  assert.equal(headOf("CONNECT far.example:443 HTTP/1.1\r\nHost: proxy.myapp\r\n\r\n").host, "proxy.myapp");
  assert.equal(headOf("CONNECT far.example:443 HTTP/1.0\r\n\r\n").host, "far.example");
});

Deno.test("sniffHttp() reads OPTIONS *, bytes above 127, and an address as the host", () => {
  assert.equal(headOf("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").host, "a");
  assert.equal(headOf("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\nX: \x80\xff\r\n\r\n").host, "a");
  assert.equal(headOf("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").host, "[::1]");
  assert.equal(headOf("GET / HTTP/1.1\r\nHost: a:\r\n\r\n").port, undefined);
  assert.equal(headOf("GET / HTTP/1.1\r\nHost:\r\n\r\n").host, "");
  assert.equal(headOf("GET / HTTP/1.0\r\n\r\n").host, "");
});

Deno.test("sniffHttp() recognises the HTTP/2 preface, and does not confuse PUT with it", () => {
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (let length = 1; length < preface.length; length++) {
    assert.equal(sniffHttp(latin1(preface.slice(0, length))), "more");
  }
  assert.deepEqual(sniffHttp(latin1(`${preface}\0\0\0`)), { kind: "h2" });
  assert.equal(headOf("PUT / HTTP/1.1\r\nHost: a\r\n\r\n").method, "PUT");
  assert.equal(errorOf("PRI * HTTP/2.0\r\n\r\nXX").status, 400);
});

Deno.test("sniffHttp() reads a chunked body", () => {
  assert.equal(headOf("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n").body, "chunked");
});

Deno.test("sniffHttp() refuses everything that two parsers could read differently", () => {
  const line = "GET / HTTP/1.1\r\n";
  const cases: Record<string, string> = {
    "no Host": `${line}X: y\r\n\r\n`,
    "no Host with an absolute target": "GET http://a/ HTTP/1.1\r\n\r\n",
    "two Hosts": `${line}Host: a\r\nHost: a\r\n\r\n`,
    "two Hosts with an absolute target": "GET http://a/ HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    "a list of hosts": `${line}Host: a, b\r\n\r\n`,
    "a user in Host": `${line}Host: u@a\r\n\r\n`,
    "a path in Host": `${line}Host: a/b\r\n\r\n`,
    "a blank in Host": `${line}Host: a b\r\n\r\n`,
    "a user in the target": "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "an absolute target without host": "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a relative target": "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
    "* with GET": "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a bare LF": "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "a bare LF at the end": `${line}Host: a\r\n\n`,
    "a bare CR in a value": `${line}Host: a\r\nX: y\rz\r\n\r\n`,
    "a NUL in a value": `${line}Host: a\r\nX: y\0z\r\n\r\n`,
    "a NUL in a name": `${line}Host: a\r\nX\0: y\r\n\r\n`,
    "obs-fold": `${line}Host: a\r\n b\r\n\r\n`,
    "a blank before the first field": `${line} Host: a\r\n\r\n`,
    "a blank before the colon": `${line}Host : a\r\n\r\n`,
    "an empty name": `${line}Host: a\r\n: y\r\n\r\n`,
    "no colon": `${line}Host: a\r\nX\r\n\r\n`,
    "two blanks in the request line": "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab in the request line": "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": "GET /\r\n\r\n",
    "another version": "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "a lower-case version": "GET / http/1.1\r\nHost: a\r\n\r\n",
    "length and chunked": `${line}Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`,
    "two lengths": `${line}Host: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n`,
    "a list of lengths": `${line}Host: a\r\nContent-Length: 3, 3\r\n\r\n`,
    "a signed length": `${line}Host: a\r\nContent-Length: +3\r\n\r\n`,
    "an empty length": `${line}Host: a\r\nContent-Length: \r\n\r\n`,
    "a huge length": `${line}Host: a\r\nContent-Length: 99999999999999999999\r\n\r\n`,
    "two codings": `${line}Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
    "another coding": `${line}Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n`,
    "identity": `${line}Host: a\r\nTransfer-Encoding: identity\r\n\r\n`,
    "a vertical tab around the coding": `${line}Host: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n`,
    "a no-break space around the coding": `${line}Host: a\r\nTransfer-Encoding: \xa0chunked\r\n\r\n`,
    "chunked in HTTP/1.0": "GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "CONNECT with a body": "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
    "CONNECT to a path": "CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n",
  };
  for (const [what, text] of Object.entries(cases)) assert.equal(errorOf(text).status, 400, what);
});

Deno.test("sniffHttp() refuses bytes other than HTTP at the first byte", () => {
  assert.match(errorOf("\x16").reason, /this is TLS/);
  for (const first of ["\0", "\x80", " ", "\n", "\x7f"]) assert.match(errorOf(first).reason, /not HTTP/);
});

Deno.test("sniffHttp() accepts as many fields and bytes as its rules allow, and refuses more with 431", () => {
  const fields = (count: number): string =>
    `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(count - 1)}\r\n`;
  assert.equal(headOf(fields(200)).fields.length, 200);
  assert.match(errorOf(fields(201)).reason, /more than 200 header fields/);
  assert.equal(errorOf(fields(2000)).status, 431);
  assert.equal(headOf(fields(20_000), OWN_HEAD).fields.length, 20_000);
  const frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".length;
  const sized = (length: number): string =>
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(length - frame)}\r\n\r\n`;
  for (const [rules, limit] of [[SHARED_HEAD, "32 KiB"], [OWN_HEAD, "128 KiB"]] as const) {
    const { maxBytes } = rules;
    assert.equal(headOf(sized(maxBytes), rules).length, maxBytes);
    const error = errorOf(sized(maxBytes + 1), rules);
    assert.equal(error.status, 431);
    assert.ok(error.reason.includes(`larger than ${limit} (${maxBytes} bytes)`), error.reason);
    assert.equal(sniffHttp(latin1("a".repeat(maxBytes - 1)), { rules }), "more");
    assert.equal(errorOf("a".repeat(maxBytes), rules).status, 431);
  }
});

Deno.test("sniffHttp() reads lenient heads at any cut, and never reads past them", () => {
  const lenient = "\n\r\n GET\t/ HTTP/1.1 \n\t\nHost: a\nX: y\rz\n\n";
  const partial = new PartialHead();
  for (let length = 1; length < lenient.length; length++) {
    assert.equal(sniffHttp(latin1(lenient.slice(0, length)), { partial, rules: OWN_HEAD }), "more");
  }
  const found = sniffHttp(latin1(`${lenient}\n\n`), { partial, rules: OWN_HEAD });
  assert.ok(found !== "more" && found.kind === "request");
  const { normal, length, fieldsStart } = found.head;
  assert.equal(length, lenient.length);
  const text = "GET / HTTP/1.1\r\nHost: a\r\nX: y z\r\n\r\n";
  assert.deepEqual(normal, latin1(text));
  assert.equal(text.slice(fieldsStart), "Host: a\r\nX: y z\r\n\r\n");
  for (
    const bad of ["GET /a b HTTP/1.1\nHost: a\n\n", "GET /\n\n", "GET / HTTP/1.1\nHost: a\n b\n\n", "\0"]
  ) {
    assert.equal(errorOf(bad, OWN_HEAD).status, 400, bad);
  }
  // A line of white space once counted as an empty one, so that the next line was the request's.
  for (const blank of [" \n", "\n\t\r\n", "\v\f\r\n"]) {
    const { reason } = errorOf(`${blank}GET / HTTP/1.1\nHost: a\n\n`, OWN_HEAD);
    assert.equal(reason, "the request line is malformed");
  }
});

// A decoder of windows-1252 once made a space of 0x86 in the target, and other letters of 31 bytes.
Deno.test("sniffHttp() keeps each byte from 0x80 on in a target and a value in normal form", () => {
  for (let byte = 0x80; byte <= 0xff; byte++) {
    const char = String.fromCharCode(byte);
    const head = headOf(`GET /${char} HTTP/1.1\nHost: a\nX: ${char}\n\n`, OWN_HEAD);
    assert.deepEqual(head.normal, latin1(`GET /${char} HTTP/1.1\r\nHost: a\r\nX: ${char}\r\n\r\n`));
    assert.equal(head.fields[1]!.value, char);
  }
});

Deno.test("sniffHttp() is fast with a value of blanks", () => {
  const start = cpuTimeMs();
  headOf(`GET / HTTP/1.1\r\nHost: a\r\nX: ${" \t".repeat(8_000)}\r\n\r\n`);
  errorOf(`GET / HTTP/1.1\r\nHost: a\r\nX: y${" ".repeat(16_000)}\0\r\n\r\n`);
  assert.ok(cpuTimeMs() - start < 200);
});

Deno.test("sniffHttp() never throws, and ignores bytes after the head", () => {
  const head = "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\n";
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.nat(head.length - 1),
      fc.nat(255),
      (noise, index, value) => {
        sniffHttp(noise);
        assert.deepEqual(sniffHttp(Uint8Array.from([...latin1(head), ...noise])), sniffHttp(latin1(head)));
        const damaged = latin1(head);
        damaged[index] = value;
        sniffHttp(damaged);
      },
    ),
    { seed: 4, numRuns: 500 },
  );
});
