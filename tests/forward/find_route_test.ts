import assert from "node:assert/strict";
import { findRoute } from "../../src/forward/find_route.ts";
import { LargeHeads } from "../../src/forward/admission/large_heads.ts";
import { LIMITS } from "../../src/forward/admission/limits.ts";
import { ListenerRoutes } from "../../src/model/route_table.ts";
import { hello } from "../fakes/client_hello.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { h2Frames } from "../fakes/h2_frames.ts";
import { get } from "../fakes/http_request.ts";
import { latin1, memoryPair, send, text } from "../fakes/memory_stream.ts";
import { hostRules, route, routes } from "../fakes/routes.ts";

function getBytes(host: string): Uint8Array {
  return latin1(get(host));
}

/** Finds the route of a connection that begins with these bytes. */
async function find(
  listener: ListenerRoutes | undefined,
  bytes: Uint8Array,
  options: { end?: boolean; segment?: number } = {},
) {
  const { near, far } = memoryPair({
    ...(options.segment === undefined ? {} : { segment: options.segment }),
  });
  const finding = findRoute(far, { routes: listener, rules: hostRules(), limits: LIMITS });
  await send(near, bytes);
  if (options.end) await near.closeWrite();
  const found = await finding;
  return found.kind === "found"
    ? {
      to: found.choice.route.hostname,
      host: found.choice.host,
      passthrough: found.choice.passthrough,
      initial: found.initial.take(),
    }
    : {
      outcome: found.outcome,
      refusal: found.refusal === undefined ? undefined : String.fromCharCode(...found.refusal),
    };
}

const MISDIRECTED = /^HTTP\/1\.1 421 Misdirected Request\r\n/;

Deno.test("findRoute() reads nothing if the listener belongs to one tcp, tls or https route", async () => {
  for (
    const url of [
      "tcp://db.internal:5432",
      "tls://a.example:443",
      "https://a.example:443",
      "tcp://*.example.com:5432",
    ]
  ) {
    const { far } = memoryPair();
    far.read = () => assert.fail("nothing must be read");
    const found = await findRoute(far, { routes: routes(url), rules: hostRules(), limits: LIMITS });
    assert.ok(found.kind === "found" && found.choice.passthrough && found.initial.take().length === 0);
    assert.equal(`${found.choice.host}:${found.choice.route.port}`, url.slice(url.indexOf("//") + 2));
  }
});

Deno.test("findRoute() finds nothing without a route, or among several tcp routes", async () => {
  for (const listener of [undefined, routes("tcp://a.example:1", "tcp://b.example:1")]) {
    const { far } = memoryPair();
    assert.deepEqual(await findRoute(far, { routes: listener, rules: hostRules(), limits: LIMITS }), {
      kind: "not_found",
      outcome: "no_route",
      refusal: undefined,
    });
  }
});

Deno.test("findRoute() accepts the right Host of the only shared http route with any port (F68)", async () => {
  const listener = new ListenerRoutes([
    route("http://api.myapp:80", { localPort: 9080, listenInterface: "127.0.0.1" }),
  ]);
  for (
    const host of [
      "api.myapp",
      "API.MyApp.",
      "api.myapp:80",
      "api.myapp:9080",
      "api.myapp:8081",
      "api.myapp:",
    ]
  ) {
    const { initial, ...rest } = await find(listener, getBytes(host));
    assert.deepEqual(rest, { to: "api.myapp", host: "api.myapp", passthrough: false }, host);
    assert.deepEqual(initial, getBytes(host), "the bytes are passed on unchanged");
  }
});

Deno.test("findRoute() accepts its name, localhost and no Host on a virtual address", async () => {
  const listener = routes("http://api.myapp:80");
  for (const [host, passthrough] of [["api.myapp", true], ["localhost", false], ["", false]] as const) {
    const { initial, ...rest } = await find(listener, getBytes(host));
    assert.deepEqual(rest, { to: "api.myapp", host: "api.myapp", passthrough }, host);
    assert.deepEqual(initial, getBytes(host), "the bytes are not rewritten yet");
  }
});

Deno.test("findRoute() answers 421 to a wrong Host, with a curl command for the right one", async () => {
  const listener = new ListenerRoutes([
    route("http://api.myapp:8080", { localPort: 9080, listenInterface: "127.0.0.1" }),
  ]);
  for (const host of ["localhost", "x.api.myapp", "127.0.0.1:9080", ""]) {
    const { outcome, refusal } = await find(listener, getBytes(host));
    assert.equal(outcome, "wrong_host");
    assert.match(refusal!, MISDIRECTED);
    assert.match(refusal!, /only http:\/\/api\.myapp:8080\./);
    assert.match(refusal!, /curl -H "Host: api\.myapp:8080" http:\/\/127\.0\.0\.1:9080\//);
    assert.match(refusal!, /Connection: close\r\n/);
  }
});

Deno.test("findRoute() accepts the HTTP/2 preface only on a listener of one http route (R87)", async () => {
  const lan = { listenInterface: "0.0.0.0" };
  const preface = latin1("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  for (
    const sole of [routes("http://api.myapp:80"), new ListenerRoutes([route("http://api.myapp:80", lan)])]
  ) {
    assert.deepEqual(await find(sole, preface), {
      to: "api.myapp",
      host: "api.myapp",
      passthrough: true,
      initial: preface,
    });
  }
  for (
    const [listener, expected] of [
      [routes("http://*.example.com:80"), /to a wildcard endpoint, [^]* an endpoint with an exact name/],
      [
        routes("http://a.example:80", "http://b.example:80"),
        /ngrokd cannot route HTTP\/2 without TLS on a port that several names share/,
      ],
    ] as const
  ) {
    const { outcome, refusal } = await find(listener, preface, { end: true });
    assert.equal(outcome, "bad_request");
    const [goAway] = h2Frames(latin1(refusal!));
    assert.equal(goAway!.type, 7);
    assert.match(goAway!.payload, expected);
  }
});

Deno.test("findRoute() finds a shared http route by Host: exact, then the longest wildcard", async () => {
  const listener = routes("http://a.example.com:80", "http://*.example.com:80", "http://*.b.example.com:80");
  assert.equal((await find(listener, getBytes("a.example.com"))).to, "a.example.com");
  assert.deepEqual({ ...await find(listener, getBytes("X.example.com:80")), initial: 0 }, {
    to: "*.example.com",
    host: "x.example.com",
    passthrough: false,
    initial: 0,
  });
  assert.equal((await find(listener, getBytes("x.y.b.example.com"))).to, "*.b.example.com");
  for (
    const host of [
      "example.com",
      "other.org",
      "",
      "a..example.com",
      "*.example.com",
      "[::1]",
      "b%00.example.com",
    ]
  ) {
    const { outcome, refusal } = await find(listener, getBytes(host));
    assert.equal(outcome, "wrong_host", host);
    assert.match(refusal!, MISDIRECTED);
    assert.match(refusal!, /ngrokctl list/);
  }
});

Deno.test("findRoute() finds a shared TLS route by the server name", async () => {
  const listener = routes("tls://a.example.com:443", "https://*.example.com:443");
  assert.equal((await find(listener, hello("a.example.com"))).to, "a.example.com");
  const { initial, ...rest } = await find(listener, hello("x.y.example.com"), { segment: 1 });
  assert.deepEqual(rest, { to: "*.example.com", host: "x.y.example.com", passthrough: true });
  assert.deepEqual(initial, hello("x.y.example.com"));
});

Deno.test("findRoute() answers a TLS client with unrecognized_name or decode_error", async () => {
  const listener = routes("tls://*.example.com:443");
  const unknown = { outcome: "wrong_host", refusal: "\x15\x03\x03\0\x02\x02\x70" };
  assert.deepEqual(await find(listener, hello("other.org")), unknown);
  assert.deepEqual(await find(listener, hello()), unknown);
  assert.deepEqual(await find(listener, latin1("GET / HTTP/1.1\r\n")), {
    outcome: "bad_request",
    refusal: "\x15\x03\x03\0\x02\x02\x32",
  });
});

Deno.test("findRoute() tells HTTP and TLS on one listener apart by the first byte", async () => {
  const listener = routes("http://*.example.com:443", "tls://a.example.com:443");
  assert.equal((await find(listener, hello("a.example.com"))).to, "a.example.com");
  assert.equal((await find(listener, getBytes("a.example.com"))).to, "*.example.com");
  assert.equal((await find(listener, hello("b.example.com"))).outcome, "wrong_host");
  const sole = new ListenerRoutes([
    route("http://h.example.com:443", { listenInterface: "0.0.0.0" }),
    route("tls://a.example.com:443", { listenInterface: "0.0.0.0" }),
  ]);
  assert.match((await find(sole, getBytes("a.example.com"))).refusal!, MISDIRECTED);
});

Deno.test("findRoute() answers 400 to a malformed or truncated head, 431 to one that is too large", async () => {
  const listener = routes("http://api.myapp:80");
  assert.match(
    (await find(routes("http://a.example:80", "http://b.example:80"), latin1("GET / HTTP/1.1\n"))).refusal!,
    /^HTTP\/1\.1 400 [^]*carriage return/,
  );
  assert.match((await find(listener, hello("api.myapp"))).refusal!, /^HTTP\/1\.1 400 [^]*this is TLS/);
  assert.match(
    (await find(listener, latin1("GET / HT"), { end: true })).refusal!,
    /^HTTP\/1\.1 400 [^]*ends within its head/,
  );
  const large = await find(listener, latin1(`GET /${"x".repeat(132_000)}`));
  assert.match(large.refusal!, /^HTTP\/1\.1 431 [^]*larger than 128 KiB \(131072 bytes\)/);
});

// 512 connections could hold 64 MiB, half of what the smallest memory limit leaves. One source once
// kept all others out.
Deno.test("findRoute() lets 64 heads above 32 KiB wait, and displaces the busiest source's (R86)", async () => {
  const listener = routes("http://api.myapp:80");
  const largeHeads = new LargeHeads();
  const half = latin1(`GET / HTTP/1.1\r\nX: ${"x".repeat(40_000)}`);
  function begin(source = "a") {
    const { near, far } = memoryPair();
    const options = { routes: listener, rules: hostRules(), limits: LIMITS, largeHeads, source };
    const found = findRoute(far, options);
    return { near, found, sent: send(near, half) };
  }
  const other = begin("b");
  await other.sent;
  const waiting = Array.from({ length: 63 }, () => begin());
  await Promise.all(waiting.map(({ sent }) => sent));
  const next = begin("b");
  const refused = await waiting[0]!.found;
  assert.ok(refused.kind === "not_found");
  assert.match(text(refused.refusal!), /^HTTP\/1\.1 503 [^]*64 requests with heads above 32 KiB/);
  for (const { near, found } of [other, next, waiting[1]!]) {
    await send(near, latin1("\r\nHost: api.myapp\r\n\r\n"));
    assert.equal((await found).kind, "found");
  }
  for (const { near } of waiting.slice(2)) await near.closeWrite();
  await Promise.all(waiting.map(({ found }) => found));
});

Deno.test("findRoute() sends no refusal to a client that sends nothing", async () => {
  assert.deepEqual(await find(routes("http://api.myapp:80"), new Uint8Array(0), { end: true }), {
    outcome: "client_gone",
    refusal: undefined,
  });
  assert.deepEqual(await find(routes("tls://*.example.com:443"), latin1("\x16\x03"), { end: true }), {
    outcome: "bad_request",
    refusal: undefined,
  });
});

Deno.test("findRoute() limits a head to 10 s, and a hello and the first byte to 5 s (F65)", async () => {
  using clock = fakeClock();
  async function drip(
    listener: ListenerRoutes,
    bytes: Uint8Array,
  ): Promise<{ seconds: number; refusal: string | undefined }> {
    const { near, far } = memoryPair();
    const finding = findRoute(far, { routes: listener, rules: hostRules(), limits: LIMITS });
    let over = false;
    void finding.then(() => over = true);
    let seconds = 0;
    for (; !over && seconds < 60; seconds++) {
      await send(near, bytes.subarray(seconds, seconds + 1));
      await clock.pass(1000);
    }
    const found = await finding;
    assert.equal(found.kind, "not_found");
    return {
      seconds,
      refusal: found.kind === "not_found" && found.refusal !== undefined ? text(found.refusal) : undefined,
    };
  }
  const head = await drip(routes("http://api.myapp:80"), getBytes("api.myapp"));
  assert.equal(head.seconds, 10);
  assert.match(head.refusal!, /^HTTP\/1\.1 408 Request Timeout\r\n/);
  const inFive = { seconds: 5, refusal: undefined };
  const both = routes("http://*.example.com:443", "tls://*.example.com:443");
  for (const listener of [routes("http://api.myapp:80"), routes("tls://*.example.com:443"), both]) {
    assert.deepEqual(await drip(listener, new Uint8Array(0)), inFive);
  }
  assert.deepEqual(await drip(routes("tls://*.example.com:443"), hello("a.example.com")), inFive);
  assert.deepEqual(
    await drip(both, hello("a.example.com")),
    inFive,
    "HTTP on the same port gives no more time",
  );
});

Deno.test("findRoute() rejects when the client resets", async () => {
  const { near, far } = memoryPair();
  near.reset();
  await assert.rejects(
    findRoute(far, { routes: routes("http://api.myapp:80"), rules: hostRules(), limits: LIMITS }),
    Deno.errors.ConnectionReset,
  );
});
