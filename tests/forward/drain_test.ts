import assert from "node:assert/strict";
import { Activity } from "../../src/forward/activity.ts";
import { sleep } from "../../src/system/clock.ts";
import { type Behaviour, type Conn, WELCOME } from "../fakes/fake_ingress.ts";
import { get } from "../fakes/http_request.ts";
import { readAll, readUntil, send, text } from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { startForwarder } from "../fakes/start_forwarder.ts";

const HTTP = route("http://api.myapp:80");
const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
/** The limit of a drain that must not take so long. */
const LONG_MS = 60_000;
/** An idle connection must end in this time. */
const AT_ONCE_MS = 1000;

/** Answers a first request with the first part of its response, and waits for the rest. */
function answering(parts: { readonly first: string; readonly rest?: Promise<string> }): Behaviour {
  return async (conn: Conn) => {
    await send(conn, WELCOME);
    await readUntil(conn, "\r\n\r\n");
    await send(conn, parts.first);
    if (parts.rest !== undefined) await send(conn, await parts.rest);
    await readAll(conn).catch(() => {});
  };
}

Deno.test("a drain ends an idle keep-alive connection at once, with an orderly end (R107)", async () => {
  await using it = startForwarder([HTTP], { behave: answering({ first: `${HEAD}done` }) });
  using conn = await it.dial();
  await send(conn, get("api.myapp"));
  assert.match(await readUntil(conn, "done"), /done$/);
  const startedAt = performance.now();
  assert.equal(await it.forwarder.drain(LONG_MS), 0);
  assert.ok(performance.now() - startedAt < AT_ONCE_MS);
  assert.equal(await conn.read(new Uint8Array(1)), null, "no reset");
});

for (
  const [stage, first] of [["waits for its answer", ""], ["has a part of its answer", `${HEAD}do`]] as const
) {
  Deno.test(`a drain lets a request that ${stage} end, and ends the connection then (R107)`, async () => {
    const rest = Promise.withResolvers<string>();
    await using it = startForwarder([HTTP], { behave: answering({ first, rest: rest.promise }) });
    using conn = await it.dial();
    await send(conn, get("api.myapp"));
    if (first === "") await sleep(50);
    else await readUntil(conn, "do");
    const startedAt = performance.now();
    const draining = it.forwarder.drain(LONG_MS);
    // Idle ones end at each look, of which there are several in this time.
    await sleep(350);
    assert.equal(it.forwarder.openConnections, 1);
    rest.resolve(`${HEAD}done`.slice(first.length));
    assert.match(text(await readAll(conn)), /ne$/);
    assert.equal(await draining, 0);
    assert.ok(performance.now() - startedAt < AT_ONCE_MS + 350);
  });
}

Deno.test("a drain cuts a busy connection with a reset after its time, and says so (R107)", async () => {
  await using it = startForwarder([HTTP], { behave: answering({ first: `${HEAD}do` }) });
  using conn = await it.dial();
  await send(conn, get("api.myapp"));
  await readUntil(conn, "do");
  assert.equal(await it.forwarder.drain(200), 1);
  await assert.rejects(conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

// The first request of a TLS 1.3 connection was cut after 5 s, because the tickets come after it.
Deno.test("a connection of another protocol is at rest 30 s after its last byte, from either side", () => {
  let nowMs = 0;
  const activity = new Activity({ now: () => nowMs });
  const meter = activity.metered({ countIn: () => {}, countOut: () => {} });
  const fromClient = () => (meter.beginIn!(1), meter.countIn(1));
  const fromServer = () => (meter.beginOut!(1), meter.countOut(1));
  const steps: [after: number, step: () => void, rest: string | undefined][] = [
    [0, () => {}, undefined],
    [30_000, () => {}, "quiet"],
    // ClientHello, the server's flight, Finished and request, tickets, and later the response.
    [0, fromClient, undefined],
    [20, fromServer, undefined],
    [20, fromClient, undefined],
    [20, fromServer, undefined],
    [25_000, fromServer, undefined],
    [29_999, () => {}, undefined],
    [1, () => {}, "quiet"],
    // A write that waits for the other side.
    [0, () => meter.beginIn!(1), undefined],
    [90_000, () => {}, undefined],
    [0, () => meter.countIn(1), undefined],
    [29_999, () => {}, undefined],
    [1, () => {}, "quiet"],
  ];
  for (const [index, [after, step, rest]] of steps.entries()) {
    nowMs += after;
    step();
    assert.equal(activity.rest, rest, `step ${index}`);
  }
});
