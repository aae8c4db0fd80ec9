import assert from "node:assert/strict";
import fc from "fast-check";
import { FirstBytes } from "../../../src/forward/first_bytes.ts";
import { RequestFramer } from "../../../src/forward/http/frame_requests.ts";
import { FramedStream } from "../../../src/forward/http/framed_stream.ts";
import { fakeClock } from "../../fakes/fake_clock.ts";
import {
  concat,
  latin1,
  memoryPair,
  type PairOptions,
  pattern,
  readAll,
  readExactly,
  send,
  text,
} from "../../fakes/memory_stream.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OTHER = "GET / HTTP/1.1\r\nHost: b\r\n\r\n";

interface FramedTest {
  readonly initial?: string;
  readonly switched?: Promise<boolean>;
  /** Requests to the host "held" wait for it. */
  readonly prepared?: Promise<undefined>;
  readonly pair?: PairOptions;
  /** Called for each request. */
  readonly onRequest?: () => void;
  readonly turn?: () => Promise<void>;
  /** True if the earlier requests have got their answers. */
  readonly areWhole?: boolean;
}

function framed(options: FramedTest = {}) {
  const {
    initial = "",
    switched = Promise.resolve(false),
    prepared,
    pair = {},
    onRequest,
    turn = () => Promise.resolve(),
    areWhole = true,
  } = options;
  const { near, far } = memoryPair(pair);
  let isPrepared = false;
  const framer = new RequestFramer({
    admit(head) {
      onRequest?.();
      if (head.host === "held") return isPrepared ? undefined : "hold";
      return head.host === "a" ? undefined : { status: 421, reason: "Not here" };
    },
  });
  const stream = new FramedStream(far, {
    framer,
    turn,
    initial: new FirstBytes(latin1(initial)),
    answers: {
      prepare: () => prepared?.then(() => void (isPrepared = true)) ?? assert.fail("held"),
      hasSwitched: () => switched,
      stop: () => {},
      areWhole: () => areWhole,
    },
    closeTimeoutMs: () => 60_000,
    headTimeoutMs: 10_000,
    lingerMs: 1_000,
  });
  return { client: near, local: far, stream };
}

Deno.test("FramedStream passes all bytes of admitted requests, for any segments and buffers", async () => {
  const body = pattern(70_000);
  const upload = concat([
    latin1(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`),
    body,
  ]);
  const chunk = concat([
    latin1("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n"),
    body,
    latin1("\r\n0\r\n\r\n"),
  ]);
  const whole = concat([latin1(GET), upload, latin1(GET), chunk, latin1(GET)]);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 500, max: 40_000 }),
      fc.integer({ min: 1, max: 20_000 }),
      async (segment, size) => {
        const { client, stream } = framed({ pair: { segment } });
        const sending = send(client, whole).then(() => client.closeWrite());
        const parts: Uint8Array[] = [];
        const buffer = new Uint8Array(size + 100);
        for (let count = await stream.read(buffer); count !== null; count = await stream.read(buffer)) {
          assert.ok(count > 0);
          parts.push(buffer.slice(0, count));
        }
        await sending;
        assert.deepEqual(concat(parts), whole);
      },
    ),
    { seed: 7, numRuns: 15 },
  );
});

Deno.test("FramedStream returns many small parts of a request in one read", async () => {
  const text =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
  const { stream } = framed({ initial: text + GET });
  assert.equal(await stream.read(new Uint8Array(65_536)), text.length + GET.length);
});

Deno.test("FramedStream does not count the wait for a slow client as work", async () => {
  using clock = fakeClock();
  let turns = 0;
  const { client, stream } = framed({
    turn: () => {
      turns++;
      return Promise.resolve();
    },
  });
  const buffer = new Uint8Array(65_536);
  for (let round = 0; round < 2; round++) {
    const reading = stream.read(buffer);
    await clock.pass(5000);
    await send(client, GET.repeat(3));
    assert.equal(await reading, 3 * GET.length);
  }
  assert.equal(turns, 0);
});

Deno.test("FramedStream ends a read after 1 ms of requests, and waits for a turn before the next", async () => {
  using clock = fakeClock();
  const turn = Promise.withResolvers<void>();
  let turns = 0;
  const { stream } = framed({
    initial: GET.repeat(6),
    onRequest: () => clock.spend(0.3),
    turn() {
      turns++;
      return turn.promise;
    },
  });
  const buffer = new Uint8Array(65_536);
  assert.equal(await stream.read(buffer), 3 * GET.length);
  assert.equal(turns, 0);
  let count: number | null | undefined;
  const reading = stream.read(buffer).then((read) => count = read);
  await clock.pass(1000);
  assert.deepEqual([turns, count], [1, undefined], "the second read waits");
  turn.resolve();
  await reading;
  assert.equal(count, 3 * GET.length);
});

Deno.test("FramedStream ends at a refused request, and refuses it after the earlier answers", async () => {
  const { client, stream } = framed({ initial: GET + OTHER + GET });
  assert.equal(text(await readAll(stream)), GET);
  await send(stream, "HTTP/1.1 200 OK\r\n\r\n");
  const closing = stream.closeWrite();
  await client.closeWrite();
  await closing;
  assert.match(
    text(await readAll(client)),
    /^HTTP\/1\.1 200 OK\r\n\r\nHTTP\/1\.1 421 Misdirected Request\r\n[^]*Not here/,
  );
});

// The refusal once followed a response that had no end, and looked like a part of its body.
Deno.test("FramedStream closes without its refusal if the earlier answers are not whole", async () => {
  const { client, stream } = framed({ initial: GET + OTHER, areWhole: false });
  assert.equal(text(await readAll(stream)), GET);
  await stream.closeWrite();
  assert.equal((await readAll(client)).length, 0);
});

Deno.test("FramedStream passes a plain half-close on", async () => {
  const { client, stream } = framed();
  await stream.closeWrite();
  assert.equal((await readAll(client)).length, 0);
});

Deno.test("FramedStream holds the bytes after a request to switch until the server has answered", async () => {
  const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
  for (const granted of [true, false]) {
    const { promise: switched, resolve } = Promise.withResolvers<boolean>();
    const { client, stream } = framed({ switched });
    await send(client, upgrade + OTHER);
    await client.closeWrite();
    assert.equal(text(await readExactly(stream, upgrade.length)), upgrade);
    const reading = readAll(stream);
    const first = await Promise.race([reading, Promise.resolve("still waiting")]);
    assert.equal(first, "still waiting");
    resolve(granted);
    assert.equal(text(await reading), granted ? OTHER : "");
  }
});

Deno.test("FramedStream limits each head from its first byte on, and does not limit idle time", async () => {
  using clock = fakeClock();
  const { client, stream } = framed();
  const reading = readAll(stream);
  for (let round = 0; round < 3; round++) {
    await clock.pass(3600_000);
    await send(client, GET.slice(0, 10));
    await clock.pass(9_999);
    await send(client, GET.slice(10));
  }
  await clock.pass(3600_000);
  await send(client, GET.slice(0, 10));
  await clock.pass(5_000);
  await send(client, GET.slice(10, 12));
  await clock.pass(5_000);
  assert.equal(text(await reading), GET.repeat(3));
  const closing = stream.closeWrite();
  await clock.pass(1_000);
  await closing;
  assert.match(text(await readAll(client)), /^HTTP\/1\.1 408 Request Timeout\r\n/);
  stream.close();
});

// A client that began a line of trailers and never ended it once kept the connection for ever.
Deno.test("FramedStream limits a line of trailers to the time of a head", async () => {
  using clock = fakeClock();
  const chunks = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
  const { client, stream } = framed({ initial: chunks });
  const reading = readAll(stream);
  await clock.pass(3600_000);
  await send(client, "X: y");
  await clock.pass(9_999);
  await send(client, "\r\nX:");
  await clock.pass(10_000);
  assert.equal(text(await reading), `${chunks}X: y\r\n`);
  const closing = stream.closeWrite();
  await clock.pass(1_000);
  await closing;
  assert.match(text(await readAll(client)), /^HTTP\/1\.1 408 [^]*The request's trailers did not arrive/);
  stream.close();
});

const HELD = GET.replace("Host: a", "Host: held");
const WAITS = [HELD, GET.replace("\r\n\r\n", "\r\nUpgrade: websocket\r\n\r\n")];

function waiting(options: FramedTest = {}) {
  const held = Promise.withResolvers<undefined>();
  const switched = Promise.withResolvers<boolean>();
  return { ...framed({ prepared: held.promise, switched: switched.promise, ...options }), held };
}

// A client that was gone held its upstreams and slots until the server answered.
Deno.test("FramedStream notices a reset while a request waits (R29)", async () => {
  for (const request of WAITS) {
    const { client, stream } = waiting({ initial: request });
    const reading = readAll(stream);
    await send(client, GET);
    client.reset();
    await assert.rejects(reading, Deno.errors.ConnectionReset);
  }
});

Deno.test("FramedStream asks if a client is there that ends, or fills its buffer, in a wait (R29)", async () => {
  using clock = fakeClock();
  for (const request of WAITS) {
    for (const more of ["", "x".repeat(20_000)]) {
      const { client, local, stream } = waiting({ initial: request });
      const asked: number[] = [];
      let isAlive = true;
      Object.assign(local, { isPeerAlive: (ms: number) => (asked.push(ms), Promise.resolve(isAlive)) });
      const ended = assert.rejects(readAll(stream), /the client is gone/);
      await send(client, more);
      if (more === "") await client.closeWrite();
      await clock.pass(180_000);
      assert.deepEqual([asked, local.aborted], [[60_000, 60_000, 60_000], false]);
      isAlive = false;
      await clock.pass(60_000);
      await ended;
      assert.ok(local.aborted);
    }
  }
  assert.equal(clock.timers(), 0);
});

Deno.test("FramedStream serves a client that half-closes in a wait, for 60 silent timeouts (R29)", async () => {
  using clock = fakeClock();
  for (const isAnswered of [true, false]) {
    const { client, local, stream, held } = waiting({ initial: HELD });
    Object.assign(local, { isPeerAlive: () => Promise.resolve(true) });
    const reading = readAll(stream);
    const result = reading.then(text, () => "ended");
    await send(client, HELD);
    await client.closeWrite();
    await clock.pass(59 * 60_000);
    await send(stream, "a part of an earlier answer");
    await clock.pass(59 * 60_000);
    if (isAnswered) held.resolve(undefined);
    else await clock.pass(60_000);
    assert.equal(await result, isAnswered ? HELD + HELD : "ended");
    assert.equal(local.aborted, !isAnswered);
  }
  assert.equal(clock.timers(), 0);
});

Deno.test("FramedStream passes a reset on, also in the middle of a head", async () => {
  for (const sent of ["", "GET / HT"]) {
    const { client, stream } = framed({ initial: sent });
    client.reset();
    await assert.rejects(readAll(stream), Deno.errors.ConnectionReset);
  }
});
