import assert from "node:assert/strict";
import { refuseForeign } from "../../../src/forward/http/refuse_foreign.ts";
import { sniffHttp } from "../../../src/forward/http/sniff_http.ts";
import { latin1 } from "../../fakes/memory_stream.ts";
import { hostRules, route } from "../../fakes/routes.ts";

const ALLOWED = [
  "dev.corp",
  "*.lab.corp",
  "203.0.113.7",
  "http://pages.corp:3000",
  "https://pages.corp",
  "null",
];

/** Returns the status of the refusal of a request to `api.myapp:80`. */
function check(request: string, options: { extra?: boolean; allowHosts?: readonly string[] } = {}) {
  const { extra = false, allowHosts = ALLOWED } = options;
  const sniff = sniffHttp(latin1(request));
  assert.ok(sniff !== "more" && sniff.kind === "request", request);
  const refusal = refuseForeign(sniff.head, {
    route: route("http://api.myapp:80", { extra }),
    rules: hostRules(...allowHosts),
  });
  return refusal?.status;
}

function get(host: string): string {
  return `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

Deno.test("refuseForeign() lets a Host be rewritten for addresses of ours and listed names only (R59)", () => {
  const accepted = [
    ["api.myapp:9080", "API.MyApp.:9080"],
    ["10.107.0.2", "10.107.0.9:80", "192.168.1.10:9080", "127.0.0.1", "127.9.9.9", "10.107.0.2."],
    ["localhost", "LocalHost.:9080", "[::1]:9080", "[::ffff:10.107.0.2]", "[::ffff:a6b:2]"],
    ["dev.corp", "DEV.corp.:81", "a.lab.corp", "b.a.lab.corp", "203.0.113.7", ""],
  ].flat();
  for (const host of accepted) assert.equal(check(get(host)), undefined, host);
  const refused = [
    ["rebound.example", "api.myapp.rebound.example", "x.api.myapp", "xn--api-myapp-x9a.example"],
    ["foo.localhost", "localhost.rebound.example", "10.107.0.2.nip.io", "127.0.0.1.rebound.example"],
    [
      "8.8.8.8",
      "192.168.1.11",
      "0.0.0.0",
      "[2001:db8::1]",
      "127.1",
      "2130706433",
      "0x7f.0.0.1",
      "%6cocalhost",
    ],
    ["lab.corp", "x.dev.corp", "lab.corp.rebound.example"],
  ].flat();
  for (const host of refused) assert.equal(check(get(host)), 421, host);
  const forms = {
    "GET / HTTP/1.0\r\n\r\n": undefined,
    "GET http://10.107.0.2/ HTTP/1.1\r\nHost: rebound.example\r\n\r\n": undefined,
    "GET http://rebound.example/ HTTP/1.1\r\nHost: api.myapp\r\n\r\n": 421,
    "OPTIONS * HTTP/1.1\r\nHost: rebound.example\r\n\r\n": 421,
    "GET / HTTP/1.1\r\nHost: rebound.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n": 421,
    "CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n": undefined,
  };
  for (const [request, status] of Object.entries(forms)) assert.equal(check(request), status, request);
});

Deno.test("refuseForeign() takes every IP address on an extra port, and no other name (R61)", () => {
  const accepted = ["8.8.8.8:9080", "[2001:db8::1]:9080", "localhost:9080", "api.myapp", "dev.corp"];
  for (const host of accepted) assert.equal(check(get(host), { extra: true }), undefined, host);
  for (const host of ["rebound.example:9080", "nas", "8.8.8.8.nip.io", "127.1"]) {
    assert.equal(check(get(host), { extra: true }), 421, host);
  }
});

Deno.test("refuseForeign() refuses changes of foreign pages under every replaced Host (R60)", () => {
  const foreign = [
    ["Origin: http://rebound.example", "Origin: null", "Origin: nonsense", "Origin:"],
    ["Origin: http://localhost:3000", "Origin: http://10.107.0.2:81", "Origin: https://10.107.0.2:80"],
    ["Origin: http://10.107.0.2.rebound.example", "Origin: chrome-extension://abcdef"],
    [
      "Sec-Fetch-Site: cross-site",
      "sec-fetch-site: Cross-Site",
      "Origin: http://10.107.0.2\r\nSec-Fetch-Site: cross-site",
    ],
    ["Origin: http://10.107.0.2\r\nOrigin: http://rebound.example"],
    [Array(101).fill("Origin: http://10.107.0.2").join("\r\n")],
    // A name in the list says which Host is taken, not which program on that host is trusted.
    ["Origin: http://dev.corp:3000", "Origin: http://x.lab.corp\r\nSec-Fetch-Site: cross-site"],
    ["Origin: http://pages.corp", "Origin: http://pages.corp:3001"],
  ].flat();
  const own = [
    [
      "Accept: */*",
      "Origin: http://10.107.0.2",
      "Origin: http://10.107.0.2:80",
      "Origin: https://10.107.0.2",
    ],
    ["Origin: http://Pages.corp:3000", "Origin: https://pages.corp:443\r\nSec-Fetch-Site: cross-site"],
    ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none", "Sec-Fetch-Site: same-site"],
  ].flat();
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const send = (method: string, fields: string, host = "10.107.0.2") =>
    check(`${method} / HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n\r\n`);
  for (const fields of foreign) {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "PROPFIND", "get"]) {
      assert.equal(send(method, fields), 403, `${method} ${fields}`);
    }
    for (const method of ["GET", "HEAD", "OPTIONS", "TRACE"]) {
      assert.equal(send(method, fields), undefined, `${method} ${fields}`);
    }
    assert.equal(send("GET", upgrade + fields), 403, `upgrade ${fields}`);
    for (const host of ["api.myapp:9080", "dev.corp", "a.lab.corp:81"]) {
      assert.equal(send("POST", fields, host), 403, `${host} ${fields}`);
    }
    for (const host of ["api.myapp", "api.myapp:80"]) {
      assert.equal(send("POST", fields, host), undefined, `the endpoint judges a request to ${host}`);
    }
  }
  for (const host of ["api.myapp:9080", "dev.corp", "dev.corp:81"]) {
    for (const scheme of ["http", "https"]) {
      assert.equal(send("POST", `Origin: ${scheme}://${host}`, host), undefined, host);
    }
  }
  // A page of https://localhost belongs to another program.
  assert.equal(send("POST", "Origin: http://localhost", "localhost"), undefined);
  assert.equal(send("POST", "Origin: https://localhost", "localhost"), 403);
  for (const fields of own) {
    assert.equal(send("POST", fields), undefined, fields);
    assert.equal(send("GET", upgrade + fields), undefined, `upgrade ${fields}`);
  }
});
