import assert from "node:assert/strict";
import { TcpConnection } from "../../src/dns/tcp_connection.ts";
import { memoryPair } from "../fakes/memory_stream.ts";
import { type FakeClock, fakeClock } from "../fakes/fake_clock.ts";

/** Returns each message, and never waits for a turn. */
const ECHO = {
  respond: (bytes: Uint8Array) => bytes.slice(),
  takeTurn: () => Promise.resolve(),
  onMessages: () => {},
};
const QUERY = new Uint8Array([0, 3, 9, 9, 9]);

/** A served connection under a fake clock, with the side of the client. */
function connection(time: FakeClock) {
  const { near, far } = memoryPair();
  const served = new TcpConnection(far, ECHO);
  const done = served.run().catch(() => {});
  return {
    near,
    done,
    isClosed: () => far.closed,
    async send(bytes: Uint8Array): Promise<void> {
      for (let at = 0; at < bytes.length;) at += await near.write(bytes.subarray(at));
      await time.pass(0);
    },
  };
}

Deno.test("TcpConnection closes after 5 s without a whole message, silent or not (F51)", async () => {
  using time = fakeClock();
  const silent = connection(time);
  const dripping = connection(time);
  await dripping.send(new Uint8Array([0x0f]));
  for (let second = 0; second < 4; second++) {
    await time.pass(1000);
    await dripping.send(new Uint8Array([0xff]));
  }
  await time.pass(999);
  assert.deepEqual([silent.isClosed(), dripping.isClosed()], [false, false]);
  await time.pass(1);
  assert.deepEqual([silent.isClosed(), dripping.isClosed()], [true, true]);
  await Promise.all([silent.done, dripping.done]);
});

Deno.test("TcpConnection closes 10 s after the last message, or 5 s after the start of one (F51)", async () => {
  using time = fakeClock();
  const [idle, late, dripping] = [connection(time), connection(time), connection(time)];
  for (let count = 0; count < 3; count++) {
    await time.pass(4000);
    for (const one of [idle, late, dripping]) await one.send(QUERY);
  }
  await time.pass(3000);
  await dripping.send(QUERY.subarray(0, 3));
  await time.pass(4000);
  await dripping.send(QUERY.subarray(3, 4));
  // The start of a message does not extend the 10 s.
  await late.send(QUERY.subarray(0, 3));
  await time.pass(999);
  assert.equal(dripping.isClosed(), false);
  await time.pass(1);
  assert.equal(dripping.isClosed(), true);
  await time.pass(1999);
  assert.deepEqual([idle.isClosed(), late.isClosed()], [false, false]);
  await time.pass(1);
  assert.deepEqual([idle.isClosed(), late.isClosed()], [true, true]);
  await Promise.all([idle.done, late.done, dripping.done]);
});

Deno.test("TcpConnection answers a message that is completed in time, then waits 10 s more", async () => {
  using time = fakeClock();
  const client = connection(time);
  await time.pass(4000);
  await client.send(QUERY.subarray(0, 4));
  await time.pass(999);
  await client.send(QUERY.subarray(4));
  const buffer = new Uint8Array(10);
  assert.deepEqual(buffer.subarray(0, (await client.near.read(buffer))!), QUERY);
  await time.pass(9999);
  assert.equal(client.isClosed(), false);
  await time.pass(1);
  assert.equal(client.isClosed(), true);
  await client.done;
});

Deno.test("TcpConnection closes 5 s after a client stops reading its replies (F51)", async () => {
  using time = fakeClock();
  const { near, far } = memoryPair({ highWater: 8 });
  const served = new TcpConnection(far, ECHO);
  const done = assert.rejects(served.run(), { name: "TimeoutError" });
  await near.write(QUERY);
  await time.pass(3000);
  await near.write(QUERY);
  await time.pass(4999);
  assert.equal(far.closed, false, "the second reply has waited for less than 5 s");
  await time.pass(1);
  assert.equal(far.closed, true);
  await done;
});

Deno.test("TcpConnection sends a reply that becomes ready just as an earlier write ends", async () => {
  for (let microtasks = 0; microtasks < 20; microtasks++) {
    using time = fakeClock();
    const { near, far } = memoryPair();
    const write = Promise.withResolvers<void>();
    const slow = {
      read: (buffer: Uint8Array) => far.read(buffer),
      write: (bytes: Uint8Array) => write.promise.then(() => far.write(bytes)),
      closeWrite: () => far.closeWrite(),
      close: () => far.close(),
    };
    const replies: PromiseWithResolvers<Uint8Array>[] = [];
    const respond = () => replies[replies.push(Promise.withResolvers<Uint8Array>()) - 1]!.promise;
    const done = new TcpConnection(slow as typeof far, { ...ECHO, respond }).run().catch(() => {});
    await near.write(new Uint8Array([0, 1, 1, 0, 1, 2]));
    await time.pass(0);
    replies[0]!.resolve(new Uint8Array([1]));
    await time.pass(0);
    write.resolve();
    for (let count = 0; count < microtasks; count++) await undefined;
    replies[1]!.resolve(new Uint8Array([2]));
    await time.pass(0);
    const received = new Uint8Array(10);
    let held = 0;
    while (held < 6) held += (await near.read(received.subarray(held)))!;
    assert.deepEqual(received.subarray(0, held), new Uint8Array([0, 1, 1, 0, 1, 2]));
    near.close();
    await done;
  }
});
