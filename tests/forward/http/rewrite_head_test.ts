import assert from "node:assert/strict";
import fc from "fast-check";
import { rewriteHead } from "../../../src/forward/http/rewrite_head.ts";
import { sniffHttp } from "../../../src/forward/http/sniff_http.ts";
import { latin1 } from "../../fakes/memory_stream.ts";

/** The rewritten head without the bytes after it; undefined if it does not change. */
function rewrite(
  text: string,
  options: { hostField?: string; keepUpgrade?: boolean } = {},
): string | undefined {
  const { hostField, keepUpgrade = true } = options;
  const input = latin1(text);
  const sniff = sniffHttp(input);
  assert.ok(sniff !== "more" && sniff.kind === "request", `expected a request, got ${JSON.stringify(sniff)}`);
  const instead = rewriteHead(input, sniff.head, { hostField, keepUpgrade });
  return instead === undefined ? undefined : String.fromCharCode(...instead);
}

Deno.test("rewriteHead() changes only the value of Host, in any position and spelling", () => {
  const field = fc.tuple(
    fc.stringMatching(/^[A-Za-z][!#$%&'*+.^_`|~0-9A-Za-z-]{0,12}$/).filter((name) =>
      !/^(host|content-length|transfer-encoding|upgrade)$/i.test(name)
    ),
    fc.stringMatching(/^[ \t]{0,3}$/),
    fc.stringMatching(/^[\x21-\x7e\x80-\xff]{0,20}$/),
    fc.stringMatching(/^[ \t]{0,3}$/),
  ).map(([name, before, value, after]) => `${name}:${before}${value}${after}\r\n`);
  const fields = fc.array(field, { maxLength: 8 }).map((lines) => lines.join(""));
  fc.assert(
    fc.property(
      fields,
      fields,
      fc.record({
        start: fc.constantFrom("", "\r\n"),
        target: fc.constantFrom("/", "/a?b=http://x/", "*", "http://@", "HTTPS://@/x", "http://@?q"),
        name: fc.constantFrom("Host", "host", "HOST", "hOsT"),
        before: fc.stringMatching(/^[ \t]{0,3}$/),
        after: fc.stringMatching(/^[ \t]{0,3}$/),
        host: fc.constantFrom("10.107.0.2", "localhost:9080", "[::1]:80", "x"),
        rest: fc.constantFrom("", "GET / HTTP/1.1\r\nHost: next\r\n\r\n"),
      }),
      (above, below, { start, target, name, before, after, host, rest }) => {
        const head = (value: string): string =>
          `${start}OPTIONS ${
            target.replace("@", value)
          } HTTP/1.1\r\n${above}${name}:${before}${value}${after}\r\n${below}\r\n`;
        assert.equal(rewrite(head(host) + rest, { hostField: "api.myapp:81" }), head("api.myapp:81"));
      },
    ),
    { seed: 8, numRuns: 300 },
  );
});

Deno.test("rewriteHead() adds a missing Host of HTTP/1.0 before the other fields", () => {
  for (const line of ["GET / HTTP/1.0\r\n", "\r\nGET / HTTP/1.0\r\n", "CONNECT far:443 HTTP/1.0\r\n"]) {
    assert.equal(
      rewrite(`${line}X: y\r\n\r\n`, { hostField: "api.myapp" }),
      `${line}Host: api.myapp\r\nX: y\r\n\r\n`,
    );
  }
  assert.equal(
    rewrite("GET http://x/ HTTP/1.0\r\n\r\n", { hostField: "api.myapp" }),
    "GET http://api.myapp/ HTTP/1.0\r\nHost: api.myapp\r\n\r\n",
  );
});

Deno.test("rewriteHead() makes Host equal to an absolute-form target", () => {
  assert.equal(
    rewrite("GET http://api.myapp/a HTTP/1.1\r\nHost: evil\r\n\r\n", { hostField: "api.myapp" }),
    "GET http://api.myapp/a HTTP/1.1\r\nHost: api.myapp\r\n\r\n",
  );
});

Deno.test("rewriteHead() fills an empty Host", () => {
  assert.equal(
    rewrite("GET / HTTP/1.1\r\nHost:  \r\n\r\n", { hostField: "a" }),
    "GET / HTTP/1.1\r\nHost:a  \r\n\r\n",
  );
});

Deno.test("rewriteHead() does not change the target of a CONNECT", () => {
  assert.equal(
    rewrite("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n", { hostField: "api.myapp" }),
    "CONNECT far:443 HTTP/1.1\r\nHost: api.myapp\r\n\r\n",
  );
});

Deno.test("rewriteHead() removes Upgrade unless it is to be kept", () => {
  const head = "GET / HTTP/1.1\r\nUpgrade: a\r\nHost: x\r\nupgrade: b\r\nY: z\r\n\r\n";
  const without = "GET / HTTP/1.1\r\nHost: x\r\nY: z\r\n\r\n";
  assert.equal(rewrite(head, { keepUpgrade: false }), without);
  assert.equal(rewrite(head, { keepUpgrade: false, hostField: "q" }), without.replace("x", "q"));
  assert.equal(
    rewrite("GET / HTTP/1.0\r\nUpgrade: a\r\n\r\n", { keepUpgrade: false, hostField: "q" }),
    "GET / HTTP/1.0\r\nHost: q\r\n\r\n",
  );
  assert.equal(rewrite(head), undefined);
  assert.equal(rewrite(without, { keepUpgrade: false }), undefined);
});
