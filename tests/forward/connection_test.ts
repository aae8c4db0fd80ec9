import assert from "node:assert/strict";
import { DialGate } from "../../src/forward/admission/dial_gate.ts";
import { IngressSlots } from "../../src/forward/admission/ingress_slots.ts";
import { LargeHeads } from "../../src/forward/admission/large_heads.ts";
import { LIMITS } from "../../src/forward/admission/limits.ts";
import { serveConnection } from "../../src/forward/connection.ts";
import type { ConnectionOptions } from "../../src/forward/connection_options.ts";
import type { IngressAccess } from "../../src/forward/dial.ts";
import { IngressHealth } from "../../src/forward/ingress_health.ts";
import { TrafficCounters } from "../../src/forward/traffic_counters.ts";
import { Attempts } from "../../src/lib/attempts.ts";
import { DialError } from "../../src/model/errors.ts";
import { ListenerRoutes } from "../../src/model/route_table.ts";
import { Turns } from "../../src/system/turns.ts";
import { sleep } from "../../src/system/clock.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { NO_CONTENT, WELCOME } from "../fakes/fake_ingress.ts";
import { get } from "../fakes/http_request.ts";
import {
  fromHex,
  latin1,
  memoryPair,
  pattern,
  readAll,
  readExactly,
  send,
  text,
} from "../fakes/memory_stream.ts";
import { hostRules, route, routes } from "../fakes/routes.ts";

const GET = get("api.myapp");
const FRAME_BYTES = 15;
/** An answer with the code ERR_NGROK_3209. */
const REFUSAL = fromHex("10001a0e4552525f4e47524f4b5f33323039");
const TCP = "tcp://api.myapp:80";

interface ServeOptions extends Partial<ConnectionOptions> {
  readonly url?: string;
  readonly segment?: number;
  readonly dialMs?: number;
  readonly peer?: string;
  readonly connect?: IngressAccess["connect"];
}

/** Serves one connection in memory. The test plays the client and the ingress. */
function serve(options: ServeOptions = {}) {
  const { url = "http://api.myapp:80", segment = Infinity, dialMs = 0, peer = "127.0.0.1" } = options;
  const client = memoryPair({ segment });
  const ingress = memoryPair({ segment });
  const traffic = new TrafficCounters();
  const health = new IngressHealth();
  async function dial({ timeoutMs, signal }: Parameters<IngressAccess["connect"]>[0]) {
    if (dialMs > timeoutMs) throw new DialError("Cannot connect: no answer", { code: "timeout" });
    if (dialMs > 0) await sleep(dialMs, { signal });
    return ingress.near;
  }
  const outcome = serveConnection(Object.assign(client.far, { peer }), {
    follow: () => {},
    turns: new Turns(),
    routes: () => routes(url),
    access: {
      connect: options.connect ?? dial,
      ingress: () => ({ hostname: "ingress.test", port: 443 }),
      clientPair: () => ({ cert: "c", key: "k" }),
      trust: () => [],
    },
    rules: hostRules(),
    halfCloseMs: () => 60_000,
    limits: LIMITS,
    largeHeads: new LargeHeads(),
    ingressSlots: new IngressSlots({ max: 1, maxUnsentBytes: Infinity }),
    gate: new DialGate(0),
    attempts: new Attempts(),
    traffic,
    health,
    onRouted: () => {},
    onNameless: () => {},
    evict: () => {},
    signal: new AbortController().signal,
    ...options,
  });
  return {
    client: client.near,
    local: client.far,
    server: ingress.far,
    remote: ingress.near,
    /** Sends the bytes of the client and ends its direction. */
    async request(bytes: string) {
      await send(client.near, bytes);
      await client.near.closeWrite();
    },
    traffic: () => traffic.snapshot("ep_api.myapp"),
    state: () => health.report().state,
    error: () => health.report().error ?? "",
    outcome,
  };
}

Deno.test("serveConnection() carries a connection to its last byte", async () => {
  const { request, server, outcome, state, remote } = serve();
  await request(GET);
  await readExactly(server, FRAME_BYTES);
  await send(server, WELCOME);
  assert.equal(text(await readAll(server)), GET);
  await server.closeWrite();
  assert.equal(await outcome, "ok");
  assert.equal(state(), "ok");
  assert.ok(remote.closed);
});

Deno.test("serveConnection() resets the client of every kind if the ingress dies (R62)", async () => {
  const upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n";
  for (const [url, request] of [[TCP, "x"], ["http://api.myapp:80", GET], ["http://api.myapp:80", upgrade]]) {
    const { client, server, local, outcome } = serve({ url: url! });
    await send(client, request!);
    await readExactly(server, FRAME_BYTES);
    await send(server, WELCOME);
    await send(server, "HTTP/1.1 200 OK\r\n\r\na part");
    await readExactly(client, 25);
    server.reset();
    assert.equal(await outcome, "ok");
    assert.ok(local.aborted, request);
  }
});

// A server that ignores a half-close held the client, without an answer, until the server ended.
Deno.test("serveConnection() refuses a later request when the earlier answers are whole (R29)", async () => {
  using clock = fakeClock();
  const first = get("localhost");
  const later = { [get("rebound.example")]: /^HTTP\/1\.1 421 /, "GET / HTTP/1.1\r\nHo": /^HTTP\/1\.1 408 / };
  for (const [request, refusal] of Object.entries(later)) {
    const { client, server, local, outcome } = serve({ halfCloseMs: () => 60_000 });
    Object.assign(local, { isPeerAlive: () => Promise.resolve(true) });
    await send(client, first);
    await readExactly(server, FRAME_BYTES);
    await send(server, WELCOME);
    await send(server, NO_CONTENT);
    assert.equal(text(await readExactly(client, NO_CONTENT.length)), NO_CONTENT);
    await send(client, request);
    await clock.pass(10_000);
    const received = readAll(client);
    await clock.pass(1_000);
    assert.match(text(await received), refusal);
    assert.equal(await outcome, "ok");
    assert.ok(local.closed && !local.aborted);
  }
});

Deno.test("serveConnection() works with segments of one byte", async () => {
  const { client, server, outcome } = serve({ segment: 1 });
  const body = pattern(500);
  const receiving = (async () => {
    await readExactly(server, FRAME_BYTES);
    await send(server, WELCOME);
    await send(server, body);
    await server.closeWrite();
    return await readAll(server);
  })();
  await send(client, GET);
  await send(client, body);
  await client.closeWrite();
  assert.deepEqual(await readAll(client), body);
  assert.deepEqual(await receiving, Uint8Array.from([...latin1(GET), ...body]));
  assert.equal(await outcome, "ok");
});

Deno.test("serveConnection() gives every request the endpoint's Host for any size of the segments", async () => {
  const body = "x".repeat(300);
  const requests = (host: string): string =>
    [
      `POST /1 HTTP/1.1\r\nX: 1\r\nhOST:  ${host} \r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      `POST /2 HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n12c;a=b\r\n${body}\r\n0\r\nT: 1\r\n\r\n`,
      `GET http://${host}/3 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    ].join("");
  for (const segment of [1, 2, 3, 7, 50, 512, Infinity]) {
    const { request, server, outcome } = serve({ segment, url: "http://api.myapp:8080" });
    const receiving = (async () => {
      await readExactly(server, FRAME_BYTES + 1);
      await send(server, WELCOME);
      const all = text(await readAll(server));
      await server.closeWrite();
      return all;
    })();
    await request(requests("10.107.0.2:9080"));
    assert.equal(await receiving, requests("api.myapp:8080"));
    assert.equal(await outcome, "ok");
  }
});

Deno.test("serveConnection() gives up 10 s after the dial if the ingress does not finish its answer (F60, F61)", async () => {
  for (const hex of ["", "05", "ffff0a"]) {
    using clock = fakeClock();
    const { client, server, remote, outcome, error, traffic } = serve();
    await send(client, GET);
    await send(server, fromHex(hex));
    await clock.pass(9_999);
    assert.equal(remote.closed, false);
    await clock.pass(1);
    assert.ok(remote.closed);
    await client.closeWrite();
    assert.match(text(await readAll(client)), /^HTTP\/1\.1 502 [^]*does not answer/);
    assert.equal(await outcome, "upgrade_failed");
    assert.match(error(), /does not answer/);
    assert.equal(traffic().errors, 1);
  }
});

Deno.test("serveConnection() has one deadline of 10 s for dial and upgrade", async () => {
  using clock = fakeClock();
  const { client, remote, outcome } = serve({ dialMs: 9_000, url: TCP });
  await clock.pass(9_999);
  assert.equal(remote.closed, false);
  await clock.pass(1);
  assert.equal(await outcome, "upgrade_failed");
  assert.ok(remote.closed);
  client.close();
});

Deno.test("serveConnection() closes the dialled connection when it is aborted", async () => {
  const controller = new AbortController();
  const { client, server, remote, outcome, traffic } = serve({ signal: controller.signal });
  await send(client, GET);
  await readExactly(server, FRAME_BYTES);
  const ended = assert.rejects(outcome, /over/);
  controller.abort(new Error("over"));
  await ended;
  assert.ok(remote.closed);
  assert.equal(traffic().total, 0, "a shutdown is not an error of the endpoint");
});

Deno.test("serveConnection() repeats a dial or upgrade that a change of network cancels", async () => {
  for (const dialMs of [0, 4_000]) {
    using clock = fakeClock();
    const attempts = new Attempts();
    const streams: ReturnType<typeof memoryPair>[] = [];
    const { client, outcome, state, traffic } = serve({
      attempts,
      async connect({ signal }) {
        const pair = memoryPair();
        streams.push(pair);
        if (streams.length === 1) await sleep(dialMs, { signal });
        return pair.near;
      },
    });
    await send(client, GET);
    await clock.pass(3_000);
    assert.equal(streams.length, 1);
    attempts.cancelAll();
    await clock.pass(0);
    assert.equal(streams.length, 2, `dialled again after a dial of ${dialMs} ms`);
    if (dialMs === 0) assert.ok(streams[0]!.near.closed);
    const server = streams[1]!.far;
    await readExactly(server, FRAME_BYTES);
    await send(server, WELCOME);
    await send(server, "HTTP/1.1 204 No Content\r\n\r\n");
    await clock.pass(0);
    assert.equal(state(), "ok", "the attempt that was cancelled is not a failure");
    attempts.cancelAll();
    await client.closeWrite();
    await server.closeWrite();
    assert.match(text(await readAll(client)), /^HTTP\/1\.1 204 /, "an established connection is left alone");
    assert.equal(await outcome, "ok");
    assert.equal(traffic().errors, 0);
  }
});

Deno.test("serveConnection() does not repeat an attempt with too little time left", async () => {
  using clock = fakeClock();
  const attempts = new Attempts();
  const { client, outcome } = serve({ dialMs: 9_000, attempts });
  await send(client, GET);
  await clock.pass(6_000);
  attempts.cancelAll();
  await clock.pass(0);
  await client.closeWrite();
  assert.match(text(await readAll(client)), /^HTTP\/1\.1 502 [^]*slept or its network changed/);
  assert.equal(await outcome, "dial_failed");
});

Deno.test("serveConnection() returns the outcome of a connection", async () => {
  const cases: [expected: string, request: string, options: ServeOptions, answer?: Uint8Array][] = [
    ["no_route", "", { routes: () => undefined }],
    ["client_gone", "", {}],
    ["wrong_host", get("x"), {
      routes: () => new ListenerRoutes([route("http://api.myapp:80", { listenInterface: "0.0.0.0" })]),
    }],
    ["wrong_host", get("rebound.example"), {}],
    ["forbidden", "POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", {}],
    ["bad_request", "GET /\r\n\r\n", {}],
    ["dial_failed", GET, { dialMs: 20_000 }],
    ["upgrade_refused", GET, {}, REFUSAL],
  ];
  for (const [expected, bytes, options, answer] of cases) {
    const { request, server, outcome } = serve(options);
    await request(bytes);
    if (answer !== undefined) await send(server, answer);
    assert.equal(await outcome, expected);
  }
  const reset = serve();
  reset.client.reset();
  await assert.rejects(reset.outcome, Deno.errors.ConnectionReset);
});

Deno.test("serveConnection() sends no answer if a connection other than HTTP fails", async () => {
  const { client, server, outcome, local } = serve({ url: TCP });
  await send(server, REFUSAL);
  assert.equal(await outcome, "upgrade_refused");
  local.close();
  assert.equal((await readAll(client)).length, 0);
});

Deno.test("serveConnection() waits up to 10 s while all transfer, and frees its slot however it ends", async () => {
  using clock = fakeClock();
  const ingressSlots = new IngressSlots({ max: 1, maxUnsentBytes: Infinity });
  const url = "tcp://api.myapp:80";
  const first = serve({ ingressSlots, url });
  await send(first.server, WELCOME);
  async function transfer(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      await send(first.server, "x");
      await clock.pass(500);
    }
  }
  const late = serve({ ingressSlots, url });
  await transfer(10_000);
  assert.equal(await late.outcome, "dial_failed");
  assert.match(ingressSlots.refusal!.error, /all 1 connections are in use/);
  assert.equal(late.state(), "unknown", "a full ngrokd says nothing about the ingress");
  const patient = serve({ ingressSlots, url });
  await transfer(5_000);
  first.client.reset();
  assert.equal(await first.outcome, "ok");
  await send(patient.server, REFUSAL);
  assert.equal(await patient.outcome, "upgrade_refused");
  assert.equal(ingressSlots.inUse, 0);
  const controller = new AbortController();
  const request = { endpoint: "api.myapp:80", source: undefined, evict: () => assert.fail("evicted") };
  using _held = await ingressSlots.take(request, controller.signal);
  const aborted = serve({ ingressSlots, url, signal: controller.signal });
  const ended = assert.rejects(aborted.outcome, /over/);
  controller.abort(new Error("over"));
  await ended;
});
