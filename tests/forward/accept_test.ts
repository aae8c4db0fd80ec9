import assert from "node:assert/strict";
import { acceptLoop } from "../../src/forward/accept.ts";
import { ConnectionSlots, type Slot } from "../../src/forward/admission/connection_slots.ts";
import type { AcceptedStream, TcpListener } from "../../src/system/tcp.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { memoryPair, type MemoryStream } from "../fakes/memory_stream.ts";

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
