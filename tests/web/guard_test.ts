import assert from "node:assert/strict";
import { checkRequest } from "../../src/web/guard.ts";

function statusOf(
  headers: Record<string, string>,
  options: { method?: string; url?: string; address?: string; hostNames?: string[] } = {},
) {
  const {
    method = "GET",
    url = `http://${headers.host ?? "127.0.0.1:8081"}/status`,
    address = "127.0.0.1",
    hostNames = [],
  } = options;
  return checkRequest({ method, url, headers: new Headers(headers) }, { address, hostNames })?.status;
}

Deno.test("checkRequest() accepts a probe whose Host is an address or localhost", () => {
  for (
    const host of ["127.0.0.1:8081", "localhost", "LOCALHOST:80", "[::1]:8081", "10.1.2.3:8081", "[fe80::1]"]
  ) {
    assert.equal(statusOf({ host }), undefined, host);
  }
  assert.equal(statusOf({}), undefined);
  assert.equal(statusOf({ host: "box.lan:8081" }, { address: "box.lan" }), undefined);
  assert.equal(statusOf({ host: "localhost:1" }, { method: "HEAD" }), undefined);
});

Deno.test("checkRequest() refuses a Host that is a name, in the header or in the request target", () => {
  for (
    const host of [
      "evil.example",
      "127.0.0.1.evil.example:8081",
      "localhost.evil.example",
      "localhost:80:80",
      "[::1].x",
    ]
  ) {
    assert.equal(statusOf({ host }, { url: "http://127.0.0.1/" }), 403, host);
  }
  assert.equal(statusOf({ host: "127.0.0.1" }, { url: "http://evil.example/status" }), 403);
  assert.equal(statusOf({}, { url: "http://evil.example/status" }), 403);
});

// A probe or scraper by the name of a service got 403, also with health_address: 0.0.0.0.
Deno.test("checkRequest() accepts the names of server.health_hosts (R70)", () => {
  const hostNames = ["ngrokd.monitoring.svc", "*.example.com"];
  for (
    const [host, status] of [
      ["ngrokd.monitoring.svc:8081", undefined],
      ["NGROKD.monitoring.svc.", undefined],
      ["a.b.example.com", undefined],
      ["example.com", 403],
      ["evil.example", 403],
      ["ngrokd.monitoring.svc.evil.example", 403],
    ] as const
  ) assert.equal(statusOf({ host }, { hostNames }), status, host);
});

Deno.test("checkRequest() refuses what another site caused, whatever else the request says (R70)", () => {
  assert.equal(statusOf({ "sec-fetch-site": "cross-site" }), 403);
  for (const site of ["none", "same-origin"]) assert.equal(statusOf({ "sec-fetch-site": site }), undefined);
});

Deno.test("checkRequest() refuses foreign Origins and Referers and accepts its own", () => {
  const host = "127.0.0.1:8081";
  for (
    const foreign of ["https://evil.example", "null", "", "http://127.0.0.1:9999", "http://localhost:8081/"]
  ) {
    assert.equal(statusOf({ host, origin: foreign }), 403, `Origin ${foreign}`);
    assert.equal(statusOf({ host, referer: foreign }), 403, `Referer ${foreign}`);
  }
  assert.equal(
    statusOf({ host, origin: "http://127.0.0.1:8081", referer: "http://127.0.0.1:8081/status" }),
    undefined,
  );
});

Deno.test("checkRequest() refuses other methods and large bodies", () => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT"]) {
    assert.equal(statusOf({}, { method }), 405);
  }
  assert.equal(statusOf({ "content-length": String(1024 * 1024) }), undefined);
  assert.equal(statusOf({ "content-length": String(1024 * 1024 + 1) }), 413);
});
