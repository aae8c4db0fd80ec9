import assert from "node:assert/strict";
import { type ConnectionOptions, serveConnection } from "../../src/forward/connection.ts";
import { ConnectionSlots } from "../../src/forward/admission/connection_slots.ts";
import { DialGate } from "../../src/forward/admission/dial_gate.ts";
import { LIMITS } from "../../src/forward/admission/limits.ts";
import { SourceShares } from "../../src/forward/admission/source_shares.ts";
import { TrafficBook } from "../../src/forward/traffic_book.ts";
import { Attempts } from "../../src/lib/attempts.ts";
import { DialError } from "../../src/model/errors.ts";
import { ListenerRoutes } from "../../src/model/route_table.ts";
import { sleep } from "../../src/system/clock.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { WELCOME } from "../fakes/fake_ingress.ts";
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
import { route } from "../fakes/routes.ts";

const GET = "GET / HTTP/1.1\r\nHost: api.myapp\r\n\r\n";
const FRAME_BYTES = 15;

/** One connection in memory, to an ingress that a test plays. */
function serve(
  options: Partial<ConnectionOptions> & {
    url?: string;
    segment?: number;
    dialMs?: number;
    peer?: string;
  } = {},
) {
  const { url = "http://api.myapp:80", segment = Infinity, dialMs = 0, peer = "127.0.0.1", ...rest } =
    options;
  const client = memoryPair({ segment });
  const ingress = memoryPair({ segment });
  const traffic = new TrafficBook();
  const reached: string[] = [];
  const outcome = serveConnection(Object.assign(client.far, { peer }), {
    routes: new ListenerRoutes([route(url)]),
    access: {
      async connect({ timeoutMs, signal }) {
        if (dialMs > timeoutMs) throw new DialError("Cannot connect: no answer", { code: "timeout" });
        if (dialMs > 0) await sleep(dialMs, { signal });
        return ingress.near;
      },
      ingress: () => ({ hostname: "ingress.test", port: 443 }),
      identity: () => ({ cert: "c", key: "k" }),
      trust: () => [],
    },
    limits: LIMITS,
    ingressSlots: new ConnectionSlots(1),
    shares: new SourceShares(1),
    gate: new DialGate(0),
    attempts: new Attempts(),
    traffic,
    onRouted: () => {},
    onReached: (name, error) => void reached.push(`${name} ${error?.message ?? "ok"}`),
    signal: new AbortController().signal,
    ...rest,
  });
  return {
    client: client.near,
    local: client.far,
    cloud: ingress.far,
    remote: ingress.near,
    traffic,
    reached,
    outcome,
  };
}

Deno.test("serveConnection() goes from accept to the last byte: ok", async () => {
  const { client, cloud, outcome, reached, remote } = serve();
  await send(client, GET);
  await client.closeWrite();
  await readExactly(cloud, FRAME_BYTES);
  await send(cloud, WELCOME);
  assert.equal(text(await readAll(cloud)), GET);
  await cloud.closeWrite();
  assert.equal(await outcome, "ok");
  assert.deepEqual(reached, ["api.myapp:80 ok"]);
  assert.ok(remote.closed);
});

Deno.test("serveConnection() works byte by byte from end to end", async () => {
  const { client, cloud, outcome } = serve({ segment: 1 });
  const body = pattern(500);
  const receiving = (async () => {
    await readExactly(cloud, FRAME_BYTES);
    await send(cloud, WELCOME);
    await send(cloud, body);
    await cloud.closeWrite();
    return await readAll(cloud);
  })();
  await send(client, GET);
  await send(client, body);
  await client.closeWrite();
  assert.deepEqual(await readAll(client), body);
  assert.deepEqual(await receiving, Uint8Array.from([...latin1(GET), ...body]));
  assert.equal(await outcome, "ok");
});

Deno.test("serveConnection() gives every request the endpoint's Host, whatever the sizes of the segments", async () => {
  const body = "x".repeat(300);
  const requests = (host: string): string =>
    [
      `POST /1 HTTP/1.1\r\nX: 1\r\nhOST:  ${host} \r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      `POST /2 HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n12c;a=b\r\n${body}\r\n0\r\nT: 1\r\n\r\n`,
      `GET http://${host}/3 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    ].join("");
  for (const segment of [1, 2, 3, 7, 50, 512, Infinity]) {
    const { client, cloud, outcome } = serve({ segment, url: "http://api.myapp:8080" });
    const receiving = (async () => {
      await readExactly(cloud, FRAME_BYTES + 1);
      await send(cloud, WELCOME);
      const all = text(await readAll(cloud));
      await cloud.closeWrite();
      return all;
    })();
    await send(client, requests("10.107.0.2:9080"));
    await client.closeWrite();
    assert.equal(await receiving, requests("api.myapp:8080"));
    assert.equal(await outcome, "ok");
  }
});

Deno.test("serveConnection() closes 10 s after a dial to an ingress that then is silent, whatever part of an answer came (F60, F61)", async () => {
  for (const hex of ["", "05", "ffff0a"]) {
    using clock = fakeClock();
    const { client, cloud, remote, outcome, reached, traffic } = serve();
    await send(client, GET);
    await send(cloud, fromHex(hex));
    await clock.pass(9_999);
    assert.equal(remote.closed, false);
    await clock.pass(1);
    assert.ok(remote.closed);
    await client.closeWrite();
    assert.match(text(await readAll(client)), /^HTTP\/1\.1 502 [^]*does not answer/);
    assert.equal(await outcome, "upgrade_failed");
    assert.match(reached.join(), /does not answer/);
    assert.equal(traffic.snapshot("ep_api.myapp").errors, 1);
  }
});

Deno.test("serveConnection() counts dial and upgrade against one deadline of 10 s", async () => {
  using clock = fakeClock();
  const { client, remote, outcome } = serve({ dialMs: 9_000, url: "tcp://api.myapp:80" });
  await clock.pass(9_999);
  assert.equal(remote.closed, false);
  await clock.pass(1);
  assert.equal(await outcome, "upgrade_failed");
  assert.ok(remote.closed);
  client.close();
});

Deno.test("serveConnection() does not keep a dialled connection when it is aborted", async () => {
  const controller = new AbortController();
  const { client, cloud, remote, outcome, traffic } = serve({ signal: controller.signal });
  await send(client, GET);
  await readExactly(cloud, FRAME_BYTES);
  const ended = assert.rejects(outcome, /over/);
  controller.abort(new Error("over"));
  await ended;
  assert.ok(remote.closed);
  assert.equal(traffic.snapshot("ep_api.myapp").total, 0, "the daemon's own end is no error of the endpoint");
});

Deno.test("serveConnection() makes a dial or an upgrade anew that is broken off, within the same 10 s, and leaves no connection behind", async () => {
  for (const dialMs of [0, 4_000]) {
    using clock = fakeClock();
    const attempts = new Attempts();
    const streams: ReturnType<typeof memoryPair>[] = [];
    const access = {
      async connect({ signal }: { signal?: AbortSignal | undefined }) {
        const pair = memoryPair();
        streams.push(pair);
        if (streams.length === 1) await sleep(dialMs, { signal });
        return pair.near;
      },
      ingress: () => ({ hostname: "ingress.test", port: 443 }),
      identity: () => ({ cert: "c", key: "k" }),
      trust: () => [],
    };
    const { client, outcome, reached, traffic } = serve({ attempts, access });
    await send(client, GET);
    await clock.pass(3_000);
    assert.equal(streams.length, 1);
    attempts.breakOff();
    await clock.pass(0);
    assert.equal(streams.length, 2, `dialled anew after a dial of ${dialMs} ms`);
    if (dialMs === 0) assert.ok(streams[0]!.near.closed);
    const cloud = streams[1]!.far;
    await readExactly(cloud, FRAME_BYTES);
    await send(cloud, WELCOME);
    await send(cloud, "HTTP/1.1 204 No Content\r\n\r\n");
    await clock.pass(0);
    assert.deepEqual(reached, ["api.myapp:80 ok"], "what was broken off is no failure");
    attempts.breakOff();
    await client.closeWrite();
    await cloud.closeWrite();
    assert.match(text(await readAll(client)), /^HTTP\/1\.1 204 /, "a connection that stands is left alone");
    assert.equal(await outcome, "ok");
    assert.equal(traffic.snapshot("ep_api.myapp").errors, 0);
  }
});

Deno.test("serveConnection() gives up at once what is broken off with too little time left for another attempt", async () => {
  using clock = fakeClock();
  const attempts = new Attempts();
  const { client, outcome } = serve({ dialMs: 9_000, attempts });
  await send(client, GET);
  await clock.pass(6_000);
  attempts.breakOff();
  await clock.pass(0);
  await client.closeWrite();
  assert.match(text(await readAll(client)), /^HTTP\/1\.1 502 [^]*slept, or its network changed/);
  assert.equal(await outcome, "dial_failed");
});

Deno.test("serveConnection() tells its outcomes apart", async () => {
  assert.equal(await serve({ routes: undefined }).outcome, "no_route");

  const silent = serve();
  await silent.client.closeWrite();
  assert.equal(await silent.outcome, "client_gone");

  const wrong = serve({ routes: new ListenerRoutes([route("http://api.myapp:80", { mode: "0.0.0.0" })]) });
  await send(wrong.client, GET.replace("api", "x"));
  await wrong.client.closeWrite();
  assert.equal(await wrong.outcome, "wrong_host");

  const bad = serve();
  await send(bad.client, "GET /\r\n\r\n");
  await bad.client.closeWrite();
  assert.equal(await bad.outcome, "bad_request");

  const undialled = serve({ dialMs: 20_000 });
  await send(undialled.client, GET);
  await undialled.client.closeWrite();
  assert.equal(await undialled.outcome, "dial_failed");

  const refused = serve();
  await send(refused.client, GET);
  await refused.client.closeWrite();
  await send(refused.cloud, fromHex("10001a0e4552525f4e47524f4b5f33323039"));
  assert.equal(await refused.outcome, "upgrade_refused");

  const reset = serve();
  reset.client.reset();
  await assert.rejects(reset.outcome, Deno.errors.ConnectionReset);
});

Deno.test("serveConnection() closes without a word when anything but HTTP cannot be served", async () => {
  const { client, cloud, outcome, local } = serve({ url: "tcp://api.myapp:80" });
  await send(cloud, fromHex("10001a0e4552525f4e47524f4b5f33323039"));
  assert.equal(await outcome, "upgrade_refused");
  local.close();
  assert.equal((await readAll(client)).length, 0);
});

Deno.test("serveConnection() waits for a place at the ingress, 10 s at most, and gives it back however it ends", async () => {
  using clock = fakeClock();
  const ingressSlots = new ConnectionSlots(1);
  const url = "tcp://api.myapp:80";
  const first = serve({ ingressSlots, url });
  await send(first.cloud, WELCOME);
  const late = serve({ ingressSlots, url });
  await clock.pass(10_000);
  assert.equal(await late.outcome, "dial_failed");
  assert.match(late.reached.join(), /all 1 connections are in use/);
  const patient = serve({ ingressSlots, url });
  await clock.pass(5_000);
  first.client.reset();
  assert.equal(await first.outcome, "ok");
  await send(patient.cloud, fromHex("10001a0e4552525f4e47524f4b5f33323039"));
  assert.equal(await patient.outcome, "upgrade_refused");
  assert.equal(ingressSlots.inUse, 0);
  const controller = new AbortController();
  using _held = await ingressSlots.take(controller.signal);
  const aborted = serve({ ingressSlots, url, signal: controller.signal });
  const ended = assert.rejects(aborted.outcome, /over/);
  controller.abort(new Error("over"));
  await ended;
});

Deno.test("serveConnection() refuses a client that holds its share at once, and the ingress is none the worse for it", async () => {
  const shares = new SourceShares(1);
  const peer = "192.168.1.66";
  const first = serve({ shares, peer, url: "tcp://api.myapp:80" });
  await send(first.cloud, WELCOME);
  await readExactly(first.cloud, FRAME_BYTES);
  const second = serve({ shares, peer });
  await send(second.client, GET);
  assert.match(
    text(await readAll(second.client)),
    /^HTTP\/1\.1 502 [^]*holds 1 connections, as many as one client may/,
  );
  second.client.reset();
  assert.equal(await second.outcome, "dial_failed");
  assert.deepEqual(second.reached, []);
  first.client.reset();
  assert.equal(await first.outcome, "ok");
  const third = serve({ shares, peer });
  await send(third.client, GET);
  await readExactly(third.cloud, FRAME_BYTES);
  await send(third.cloud, WELCOME);
  third.client.reset();
  assert.equal(await third.outcome, "ok");
});
