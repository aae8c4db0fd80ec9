import assert from "node:assert/strict";
import { acceptLoop } from "../../src/forward/accept.ts";
import { ConnectionSlots, type Slot } from "../../src/forward/admission/connection_slots.ts";
import { Listeners } from "../../src/forward/listeners.ts";
import { BindError } from "../../src/model/errors.ts";
import { type AcceptedStream, listenTcp, type TcpListener } from "../../src/system/net.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { memoryPair, type MemoryStream } from "../fakes/memory_stream.ts";
import { untilRefused } from "../fakes/sockets.ts";

/** A listener that accepts what the test offers. */
class ScriptedListener implements TcpListener {
  readonly key = "127.0.0.1:80";
  readonly port = 80;
  accepts = 0;
  readonly #queue: (MemoryStream | Error)[] = [];
  #wake = Promise.withResolvers<void>();

  offer(...results: (MemoryStream | Error)[]): void {
    this.#queue.push(...results);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async accept(): Promise<AcceptedStream> {
    this.accepts++;
    while (this.#queue.length === 0) await this.#wake.promise;
    const next = this.#queue.shift()!;
    if (next instanceof Error) throw next;
    return next;
  }

  close(): void {
    this.offer(new Deno.errors.BadResource("closed"));
  }
}

function outOfDescriptors(): Error {
  return new Error("Too many open files (os error 24)");
}

function loopOn(listener: TcpListener, options: { max?: number; admit?: (peer: string) => boolean } = {}) {
  const slots = new ConnectionSlots(options.max ?? 100);
  const accepted: { stream: AcceptedStream; slot: Slot }[] = [];
  const controller = new AbortController();
  const arrivals: (() => void)[] = [];
  const done = acceptLoop(listener, {
    slots,
    admit: options.admit ?? (() => true),
    onConnection: (stream, slot) => {
      accepted.push({ stream, slot });
      arrivals.shift()?.();
    },
    signal: controller.signal,
  });
  return {
    slots,
    accepted,
    done,
    /** Resolves at the next connection. */
    arrival: () => new Promise<void>((resolve) => void arrivals.push(resolve)),
    close() {
      controller.abort();
      listener.close();
      return done;
    },
  };
}

Deno.test("acceptLoop() backs off from 5 ms to 1 s and logs once while there are no descriptors (F63)", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const listener = new ScriptedListener();
  listener.offer(...Array.from({ length: 15 }, outOfDescriptors));
  const loop = loopOn(listener);
  await clock.pass(0);
  assert.equal(listener.accepts, 1);
  await clock.pass(5);
  assert.equal(listener.accepts, 2);
  await clock.pass(10);
  assert.equal(listener.accepts, 3);
  await clock.pass(10_000);
  assert.ok(listener.accepts >= 15 && listener.accepts <= 20, `${listener.accepts} accepts`);
  assert.equal(logged.lines("warning").length, 1);
  assert.match(
    logged.lines("warning")[0]!,
    /Cannot accept connections on .*127\.0\.0\.1:80.*Too many open files/,
  );
  listener.offer(memoryPair().far);
  await clock.pass(1000);
  assert.equal(loop.accepted.length, 1);
  assert.match(logged.lines("info").join(), /again/);
  listener.offer(outOfDescriptors());
  await clock.pass(0);
  assert.equal(logged.lines("warning").length, 2, "a new failure is logged again");
  const closing = loop.close();
  await clock.pass(0);
  await closing;
});

Deno.test("acceptLoop() accepts nothing while all slots are taken", async () => {
  const listener = new ScriptedListener();
  const loop = loopOn(listener, { max: 2 });
  const both = Promise.all([loop.arrival(), loop.arrival()]);
  listener.offer(memoryPair().far, memoryPair().far, memoryPair().far);
  await both;
  assert.equal(listener.accepts, 2);
  const third = loop.arrival();
  loop.accepted[0]!.slot[Symbol.dispose]();
  await third;
  assert.equal(loop.slots.inUse, 2);
  await loop.close();
});

Deno.test("acceptLoop() closes a connection that waits for a slot when its listener closes", async () => {
  const first = new ScriptedListener();
  const slots = new ConnectionSlots(1);
  const controller = new AbortController();
  const done = acceptLoop(first, {
    slots,
    admit: () => true,
    onConnection: () => assert.fail("there is no slot"),
    signal: controller.signal,
  });
  await Promise.resolve();
  using _elsewhere = await slots.take(new AbortController().signal);
  const stream = memoryPair().far;
  const closed = Promise.withResolvers<void>();
  stream.close = () => closed.resolve();
  first.offer(stream);
  await new Promise((resolve) => setTimeout(resolve, 1));
  controller.abort();
  await closed.promise;
  await done;
  assert.equal(slots.inUse, 1);
});

Deno.test("ConnectionSlots never leaks a slot, in whatever order slots are freed", async () => {
  const slots = new ConnectionSlots(4);
  const signal = new AbortController().signal;
  let most = 0;
  async function connection(round: number): Promise<void> {
    using slot = await slots.take(signal);
    most = Math.max(most, slots.inUse);
    for (let tick = 0; tick < round % 5; tick++) await Promise.resolve();
    slot[Symbol.dispose]();
  }
  await Promise.all(Array.from({ length: 360 }, (_, round) => connection(round)));
  assert.equal(slots.inUse, 0);
  assert.equal(most, 4);
  for (let count = 0; count < 4; count++) await slots.take(signal);
  assert.equal(slots.inUse, 4);
});

Deno.test("ConnectionSlots forgets a waiter that is aborted", async () => {
  const slots = new ConnectionSlots(1);
  const held = await slots.take(new AbortController().signal);
  const impatient = new AbortController();
  const waiting = slots.take(impatient.signal);
  impatient.abort(new Error("gave up"));
  await assert.rejects(waiting, /gave up/);
  await assert.rejects(slots.take(impatient.signal), /gave up/);
  const next = slots.take(new AbortController().signal);
  held[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  assert.equal(slots.inUse, 0);
});

Deno.test("Listeners opens, lists and closes listeners by address and port", async () => {
  await using logged = await captureLog();
  await using listeners = new Listeners({
    listen: listenTcp,
    slots: new ConnectionSlots(10),
    admit: () => true,
    onConnection: (stream) => stream.close(),
  });
  const port = listeners.open({ address: "127.0.0.1", port: 0 });
  const other = listeners.open({ address: "127.0.0.1", port: 0 });
  assert.deepEqual(listeners.observe(), [`127.0.0.1:${port}`, `127.0.0.1:${other}`]);
  assert.throws(
    () => listeners.open({ address: "127.0.0.1", port }),
    (error) => error instanceof BindError && error.reason === "in_use",
  );
  listeners.close(`127.0.0.1:${port}`);
  listeners.close("127.0.0.1:1");
  assert.deepEqual(listeners.observe(), [`127.0.0.1:${other}`]);
  await untilRefused(port);
  listeners.open({ address: "127.0.0.1", port });
  assert.equal(logged.lines("debug").length, 4);
  assert.deepEqual(logged.lines("info"), [], "10,000 listeners would flood the log");
});

Deno.test("Listeners hands over every connection with the key of its listener", async () => {
  const keys: string[] = [];
  const seen = Promise.withResolvers<void>();
  await using listeners = new Listeners({
    listen: listenTcp,
    slots: new ConnectionSlots(10),
    admit: () => true,
    onConnection(stream, slot, key) {
      keys.push(key);
      stream.close();
      slot[Symbol.dispose]();
      if (keys.length === 3) seen.resolve();
    },
  });
  const port = listeners.open({ address: "127.0.0.1", port: 0 });
  for (let count = 0; count < 3; count++) (await Deno.connect({ hostname: "127.0.0.1", port })).close();
  await seen.promise;
  assert.deepEqual(keys, Array(3).fill(`127.0.0.1:${port}`));
});

Deno.test("Listeners gives a peer that is not admitted neither a byte nor a slot", async () => {
  const asked: string[] = [];
  const slots = new ConnectionSlots(1);
  await using listeners = new Listeners({
    listen: listenTcp,
    slots,
    admit(peer, key) {
      asked.push(`${peer} ${key}`);
      return false;
    },
    onConnection: () => assert.fail("it is not admitted"),
  });
  const port = listeners.open({ address: "127.0.0.1", port: 0 });
  for (let count = 0; count < 3; count++) {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    assert.equal(await conn.read(new Uint8Array(1)), null);
  }
  assert.deepEqual(asked, Array(3).fill(`127.0.0.1 127.0.0.1:${port}`));
  assert.equal(slots.inUse, 0);
});

// It once warned about each connection.
Deno.test("acceptLoop() closes connections and backs off while the admission check fails (F63)", async () => {
  await using logged = await captureLog();
  using clock = fakeClock();
  const listener = new ScriptedListener();
  let broken = true;
  const loop = loopOn(listener, {
    admit() {
      if (broken) throw outOfDescriptors();
      return true;
    },
  });
  let closed = 0;
  for (let count = 0; count < 8; count++) {
    const stream = memoryPair().far;
    stream.close = () => void closed++;
    listener.offer(stream);
  }
  await clock.pass(0);
  assert.deepEqual([closed, loop.accepted.length, loop.slots.inUse], [1, 0, 0]);
  await clock.pass(5 + 10 + 20);
  assert.deepEqual([closed, loop.accepted.length, loop.slots.inUse], [4, 0, 0]);
  await clock.pass(1000);
  assert.equal(closed, 8);
  assert.equal(logged.lines("warning").length, 1);
  assert.match(logged.lines("warning")[0]!, /Too many open files/);
  broken = false;
  const good = memoryPair().far;
  listener.offer(good);
  await clock.pass(1000);
  assert.equal(loop.accepted[0]!.stream, good);
  assert.match(logged.lines("info").join(), /again/);
  await loop.close();
});
