import assert from "node:assert/strict";
import { FirstBytes } from "../../src/forward/first_bytes.ts";
import { pipe, type PipeOptions } from "../../src/forward/pipe.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import {
  latin1,
  memoryPair,
  type PairOptions,
  pattern,
  readAll,
  readExactly,
  send,
  text,
} from "../fakes/memory_stream.ts";

/** A pipe between a client and a server in memory. */
function connected(options: Partial<PipeOptions> & { pair?: PairOptions } = {}) {
  const { pair, ...rest } = options;
  const counts = { in: 0, out: 0 };
  const meter = {
    countIn: (bytes: number) => void (counts.in += bytes),
    countOut: (bytes: number) => void (counts.out += bytes),
  };
  const client = memoryPair(pair);
  const server = memoryPair(pair);
  const done = pipe(client.far, server.near, { meter, closeTimeoutMs: () => 60_000, ...rest });
  return { client: client.near, server: server.far, local: client.far, remote: server.near, counts, done };
}

Deno.test("pipe() copies and counts bytes in both directions and closes both streams", async () => {
  const { client, server, local, remote, counts, done } = connected();
  await send(client, "ping");
  assert.equal(text(await readExactly(server, 4)), "ping");
  await send(server, "answer");
  assert.equal(text(await readExactly(client, 6)), "answer");
  await client.closeWrite();
  await server.closeWrite();
  await done;
  assert.deepEqual(counts, { in: 4, out: 6 });
  assert.ok(local.closed && remote.closed);
});

Deno.test("pipe() delivers the whole reply after the client half-closes (F57)", async () => {
  const reply = pattern(2_000_064);
  const { client, server, counts, done } = connected();
  await send(client, "request");
  await client.closeWrite();
  assert.equal(text(await readAll(server)), "request");
  const [received] = await Promise.all([
    readAll(client),
    send(server, reply).then(() => server.closeWrite()),
  ]);
  await done;
  assert.deepEqual(received, reply);
  assert.equal(counts.out, 2_000_064);
});

Deno.test("pipe() delivers the client's bytes after the server half-closes (F57)", async () => {
  const upload = pattern(1_000_003);
  const { client, server, done } = connected();
  await server.closeWrite();
  assert.deepEqual(await readAll(client), new Uint8Array(0));
  const [received] = await Promise.all([
    readAll(server),
    send(client, upload).then(() => client.closeWrite()),
  ]);
  await done;
  assert.deepEqual(received, upload);
});

Deno.test("pipe() works with segments of 1 and of 7 bytes", async () => {
  for (const segment of [1, 7]) {
    const up = pattern(5_000, 2);
    const down = pattern(5_000, 3);
    const { client, server, done } = connected({ pair: { segment } });
    const [atServer, atClient] = await Promise.all([
      readAll(server),
      readAll(client),
      send(client, up).then(() => client.closeWrite()),
      send(server, down).then(() => server.closeWrite()),
    ]);
    await done;
    assert.deepEqual(atServer, up);
    assert.deepEqual(atClient, down);
  }
});

Deno.test("pipe() sends bytes that were read before first, in both directions", async () => {
  const { client, server, counts, done } = connected({
    fromLocal: new FirstBytes(latin1("head ")),
    fromUpstream: new FirstBytes(latin1("early ")),
  });
  await send(client, "body");
  await send(server, "late");
  await client.closeWrite();
  await server.closeWrite();
  assert.equal(text(await readAll(server)), "head body");
  assert.equal(text(await readAll(client)), "early late");
  await done;
  assert.deepEqual(counts, { in: 9, out: 10 });
});

Deno.test("pipe() stops reading from the sender while the receiver does not read (F59)", async () => {
  const { client, server, counts, done } = connected({ pair: { highWater: 1000 } });
  const sending = send(client, pattern(1_000_000)).catch(() => "stopped");
  await readExactly(server, 10);
  assert.ok(counts.in < 200_000, `${counts.in} bytes were taken`);
  server.reset();
  await done;
  assert.equal(await sending, "stopped");
});

Deno.test("pipe() closes both sides after a reset of one", async () => {
  for (const side of ["client", "server"] as const) {
    const ends = connected();
    await send(ends.client, "x");
    await readExactly(ends.server, 1);
    ends[side].reset();
    await ends.done;
    assert.ok(ends.local.closed && ends.remote.closed, side);
  }
});

Deno.test("pipe() resets the client unless the server has ended in order (R62)", async () => {
  type Ends = ReturnType<typeof connected>;
  const ways: Record<string, [how: (ends: Ends) => unknown, aborted: boolean]> = {
    "the server ends": [
      ({ server, client }) => Promise.all([server.closeWrite(), client.closeWrite()]),
      false,
    ],
    "the server dies": [({ server }) => server.reset(), true],
    "the server dies after the client's end": [
      ({ client, server }) => client.closeWrite().then(() => server.reset()),
      true,
    ],
    "the client takes no more": [({ client, server }) => {
      client.reset();
      return server.closeWrite();
    }, false],
  };
  for (const [way, [how, aborted]] of Object.entries(ways)) {
    const ends = connected();
    await send(ends.server, "a part");
    await readExactly(ends.client, 6);
    await how(ends);
    await ends.done;
    assert.equal(ends.local.aborted, aborted, way);
    assert.ok(ends.local.closed && ends.remote.closed, way);
  }
});

Deno.test("pipe() ends at its signal, also after a half-close (R62)", async () => {
  for (const halfClosed of [false, true]) {
    const controller = new AbortController();
    const { client, local, remote, done } = connected({ signal: controller.signal });
    if (halfClosed) await client.closeWrite();
    controller.abort();
    await done;
    assert.ok(local.aborted && remote.closed);
  }
});

Deno.test("pipe() passes a reset of the client on to the server (R62)", async () => {
  const { client, server, remote, done } = connected();
  await send(client, "a part of a request");
  await readExactly(server, 19);
  client.reset();
  await done;
  assert.ok(remote.aborted);
  await assert.rejects(readAll(server), Deno.errors.ConnectionReset);
});

Deno.test("pipe() waits for an answer as long as the client is alive (R29)", async () => {
  using clock = fakeClock();
  const { client, server, local, done } = connected();
  let isAlive = true;
  const asked: number[] = [];
  Object.assign(local, {
    isPeerAlive: (idleMs: number) => {
      asked.push(idleMs);
      return Promise.resolve(isAlive);
    },
  });
  await client.closeWrite();
  await clock.pass(600_000);
  await send(server, "late");
  assert.equal(text(await readExactly(client, 4)), "late");
  assert.deepEqual(asked, Array(10).fill(60_000));
  await clock.pass(120_000);
  isAlive = false;
  await clock.pass(60_000);
  await done;
  assert.ok(local.aborted, "the answer was not complete");
});

Deno.test("pipe() uses a changed close timeout from the next check on", async () => {
  using clock = fakeClock();
  let closeTimeoutMs = 60_000;
  const asked: number[] = [];
  const { client, local, done } = connected({ closeTimeoutMs: () => closeTimeoutMs });
  Object.assign(local, { isPeerAlive: (idleMs: number) => Promise.resolve(asked.push(idleMs) < 4) });
  await client.closeWrite();
  closeTimeoutMs = 10_000;
  await clock.pass(90_000);
  await done;
  assert.deepEqual(asked, [10_000, 10_000, 10_000, 10_000]);
});

// A client whose ingress had vanished without a word held its slot for ever.
Deno.test("pipe() waits at most 60 close timeouts for an upstream that says nothing (R29)", async () => {
  using clock = fakeClock();
  const { client, local, remote, done } = connected();
  Object.assign(local, { isPeerAlive: () => Promise.resolve(true) });
  await client.closeWrite();
  for (let minute = 1; minute < 60; minute++) await clock.pass(60_000);
  await clock.pass(59_000);
  assert.equal(local.closed, false);
  await clock.pass(1_000);
  await done;
  assert.ok(local.aborted && remote.closed);
});

Deno.test("pipe() waits one close timeout for a client that does not read its answer", async () => {
  using clock = fakeClock();
  const { client, server, local, done } = connected({ pair: { highWater: 1000 } });
  Object.assign(local, { isPeerAlive: () => assert.fail("a client that does not read is not asked") });
  await client.closeWrite();
  const sending = assert.rejects(send(server, pattern(100_000)));
  await clock.pass(59_000);
  assert.equal(local.closed, false);
  await clock.pass(2_000);
  await done;
  assert.ok(local.aborted);
  await sending;
});

Deno.test("pipe() gives a slow receiver at least 30 s, however short the close timeout is (R29)", async () => {
  using clock = fakeClock();
  const pair = { highWater: 1000 };
  const { client, server, local, done } = connected({ pair, closeTimeoutMs: () => 5_000 });
  await client.closeWrite();
  const sending = assert.rejects(send(server, pattern(100_000)));
  await clock.pass(29_000);
  assert.equal(local.closed, false);
  await clock.pass(2_000);
  await done;
  assert.ok(local.aborted);
  await sending;
});

Deno.test("pipe() delivers the answer of a server that stops reading", async () => {
  const { client, server, remote, done } = connected();
  remote.write = () => Promise.reject(new Deno.errors.BrokenPipe("no more"));
  await send(client, "too much");
  await send(server, "413");
  await server.closeWrite();
  assert.equal(text(await readAll(client)), "413");
  await done;
});

// Its connection would have counted as a stuck upload as long as the download went on.
Deno.test("pipe() tells the meter that a write has failed", async () => {
  const ends: number[] = [];
  const meter = { countIn: (bytes: number) => void ends.push(bytes), countOut: () => {} };
  const { client, server, remote, done } = connected({ meter });
  remote.write = () => Promise.reject(new Deno.errors.BrokenPipe("no more"));
  await send(client, "too much");
  await server.closeWrite();
  assert.equal(text(await readAll(client)), "");
  await done;
  assert.deepEqual(ends, [0]);
});

Deno.test("pipe() closes an idle side one close timeout after the other has ended", async () => {
  using clock = fakeClock();
  const { client, local, remote, done } = connected();
  await client.closeWrite();
  await clock.pass(59_999);
  assert.equal(local.closed, false);
  await clock.pass(1);
  await done;
  assert.ok(local.closed && remote.closed);
});

Deno.test("pipe() closes after the close timeout even if the half-close itself hangs", async () => {
  using clock = fakeClock();
  const { client, remote, local, done } = connected();
  const stuck = Promise.withResolvers<void>();
  remote.closeWrite = () => stuck.promise;
  await client.closeWrite();
  await clock.pass(60_000);
  assert.ok(local.closed);
  stuck.reject(new Deno.errors.Interrupted("closed"));
  await done;
});

Deno.test("pipe() does not interrupt a slow transfer after the other side has ended", async () => {
  using clock = fakeClock();
  const { client, server, local, done } = connected();
  await client.closeWrite();
  for (let minute = 0; minute < 10; minute++) {
    await clock.pass(50_000);
    await send(server, "x");
    await readExactly(client, 1);
  }
  assert.equal(local.closed, false);
  await clock.pass(60_000);
  await done;
  assert.equal(local.closed, true);
});

Deno.test("pipe() keeps an idle connection while both sides are open", async () => {
  using clock = fakeClock();
  const { client, server, local, done } = connected();
  await clock.pass(24 * 3600_000);
  assert.equal(local.closed, false);
  await send(client, "still here");
  assert.equal(text(await readExactly(server, 10)), "still here");
  client.reset();
  await done;
});
