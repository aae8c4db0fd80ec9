import assert from "node:assert/strict";
import { anyText } from "../fakes/any_text.ts";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import fc from "fast-check";
import { isHostname, isWildcard } from "../../src/lib/hostname.ts";
import { parseEndpointUrl, serviceKey } from "../../src/model/endpoint.ts";

Deno.test("parseEndpointUrl() reads all URL forms of docs/protocol.md 2.2", () => {
  const forms: [string, string, string, number, boolean][] = [
    ["http://ishan.testagent", "http", "ishan.testagent", 80, false],
    ["http://api.myapp:3000", "http", "api.myapp", 3000, false],
    ["https://controller.example.com", "https", "controller.example.com", 443, false],
    ["https://controller.example.com:8443", "https", "controller.example.com", 8443, false],
    ["tls://host.example", "tls", "host.example", 443, false],
    ["tls://host.example:8883", "tls", "host.example", 8883, false],
    ["tcp://db.example.com:5432", "tcp", "db.example.com", 5432, false],
    ["tcp://camera.example.com:22", "tcp", "camera.example.com", 22, false],
    ["tls://*.example.com:443", "tls", "*.example.com", 443, true],
    ["https://*.example.com", "https", "*.example.com", 443, true],
    ["http://a.b.c.d.e", "http", "a.b.c.d.e", 80, false],
    ["http://single", "http", "single", 80, false],
    ["HTTP://API.MyApp:80", "http", "api.myapp", 80, false],
    ["http://api.myapp.", "http", "api.myapp", 80, false],
    ["http://api.myapp.:81", "http", "api.myapp", 81, false],
    ["http://api.myapp/", "http", "api.myapp", 80, false],
    ["tcp://a.b:1", "tcp", "a.b", 1, false],
    ["tcp://a.b:65535", "tcp", "a.b", 65535, false],
  ];
  for (const [url, scheme, hostname, port, wildcard] of forms) {
    assert.deepEqual(parseEndpointUrl(url), { scheme, hostname, port, wildcard }, url);
  }
});

Deno.test("parseEndpointUrl() refuses every other URL with a reason on one line", () => {
  const hostile = [
    "",
    "api.myapp",
    "//api.myapp",
    "http:/api.myapp",
    "http//api.myapp",
    "://a.b",
    "http://",
    "http:///",
    "http://:80",
    "http://.",
    "http://..",
    "http://a..b",
    "http://.a",
    "http://a.b..",
    "ftp://a.b",
    "h2c://a.b:80",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "constructor://a.b:1",
    "__proto__://a.b:1",
    "toString://a.b:1",
    "http://a.b/path",
    "http://a.b//",
    "http://a.b?q",
    "http://a.b#f",
    "http://user@a.b",
    "http://user:pass@a.b:80",
    "http://a.b:80:90",
    "tcp://a.b",
    "tls://",
    "http://a.b:",
    "http://a.b:0",
    "http://a.b:65536",
    "http://a.b:99999999999999999999",
    "http://a.b:-1",
    "http://a.b:8o",
    "http://a.b:+80",
    "http://a.b: 80",
    "http://a.b:8e1",
    "http://a.b:0x50",
    "http://a.b:000080",
    "http://a.b:８０",
    "http://127.0.0.1",
    "http://10.0.0.1:80",
    "http://[::1]",
    "http://[::1]:80",
    "http://2130706433",
    "http://0x7f000001",
    "http://1.2.3",
    "http://a b",
    "http://a\nb",
    "http://a.b\n",
    "http://a.b\n127.0.0.1 evil",
    "http://a.b\r\n",
    "http://a.b\t",
    "http://a\0b",
    " http://a.b",
    "http://a.b ",
    "http://../../etc/passwd",
    "http://a\\b",
    "http://a#b",
    "http://-a.b",
    "http://a-.b",
    "http://a.b-",
    `http://${"a".repeat(64)}.b`,
    `http://${"a.".repeat(127)}b`,
    "http://*",
    "http://*.",
    "http://*.*.b",
    "http://a.*.b",
    "http://**.b",
    "http://*a.b",
    "http://*.127.0.0.1",
    "http://\u212Aube.example",
    "http://ａ.com",
    "http://a。b",
    "http://a\u202eb.c",
    "http://xn--\u00e9.com",
    "http://é.com",
    "http://a%2eb",
  ];
  for (const url of hostile) {
    assert.throws(() => parseEndpointUrl(url), (error: unknown) => {
      assert.ok(error instanceof SyntaxError, url);
      // deno-lint-ignore no-control-regex
      assert.match(error.message, /^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e]{1,200}$/, url);
      return true;
    }, url);
  }
});

Deno.test("parseEndpointUrl() returns a valid name and port, or throws a SyntaxError, for any text", () => {
  const host = fc.oneof(
    anyText({ maxLength: 12 }),
    fc.domain(),
    fc.domain().map((name) => `*.${name}`),
    fc.ipV4(),
  );
  const port = fc.oneof(
    fc.constant(""),
    fc.integer({ min: -2, max: 70_000 }).map((value) => `:${value}`),
    fc.string({ maxLength: 4 }),
  );
  const url = fc.tuple(
    fc.constantFrom("http", "https", "tls", "tcp", "ftp", ""),
    host,
    port,
    fc.constantFrom("", "/", "/x", "\n"),
  )
    .map(([scheme, name, number, tail]) => `${scheme}://${name}${number}${tail}`);
  fc.assert(
    fc.property(fc.oneof(url, anyText({ maxLength: 40 })), (text) => {
      try {
        const { hostname, port, wildcard } = parseEndpointUrl(text);
        assert.ok(wildcard ? isWildcard(hostname) : isHostname(hostname));
        assert.ok(Number.isInteger(port) && port >= 1 && port <= 65535);
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { seed: 20260105, numRuns: 1000 },
  );
});

Deno.test("parseEndpointUrl() refuses a megabyte of anything in less than 4 s", () => {
  for (const piece of ["a", ".", ":", ":0", "0", "*.", "-", "/", "a.", "\n"]) {
    const url = `http://${piece.repeat(1_000_000 / piece.length)}`;
    const started = cpuTimeMs();
    assert.throws(() => parseEndpointUrl(url), SyntaxError);
    assert.ok(
      cpuTimeMs() - started < 4000,
      `${JSON.stringify(piece)}: ${cpuTimeMs() - started} ms`,
    );
  }
});

// The zeros were once kept in the URL.
Deno.test("parseEndpointUrl() refuses a port with a thousand leading zeros", () => {
  assert.throws(() => parseEndpointUrl(`http://a.b:${"0".repeat(1000)}80`), /the port is not in 1 to 65535/);
});

Deno.test("serviceKey() is the host name and the port", () => {
  assert.equal(serviceKey({ hostname: "*.example.com", port: 443 }), "*.example.com:443");
});
