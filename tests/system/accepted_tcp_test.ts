import assert from "node:assert/strict";
import { writeAll } from "../../src/system/byte_stream.ts";
import { ResetHandle } from "../../src/system/reset_handle.ts";
import type { AcceptedStream } from "../../src/system/tcp.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { readAll, send, text } from "../fakes/memory_stream.ts";

/** A connection: the client's end, and the accepted one. */
async function connect(): Promise<{ client: Deno.TcpConn; accepted: AcceptedStream }> {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  const [accepted, client] = await Promise.all([
    listener.accept(),
    Deno.connect({ hostname: "127.0.0.1", port: listener.port }),
  ]);
  listener.close();
  return { client, accepted };
}

type Prepare = (ends: { client: Deno.TcpConn; accepted: AcceptedStream }) => Promise<unknown>;

// Shows that the internals of the runtime that it uses are still there.
Deno.test("AcceptedTcp.abort() resets the connection in every state (R62)", async () => {
  const states: Record<string, Prepare> = {
    "new": () => Promise.resolve(),
    "after bytes": ({ accepted }) => send(accepted, "part of an answer"),
    "with a pending read": ({ accepted }) => {
      void assert.rejects(accepted.read(new Uint8Array(9)), Deno.errors.Interrupted);
      return send(accepted, "x");
    },
    "half-closed by the client": async ({ client, accepted }) => {
      await client.closeWrite();
      assert.equal(await accepted.read(new Uint8Array(9)), null);
    },
    "with bytes that nobody has read": ({ client }) => send(client, "request"),
  };
  for (const [state, prepare] of Object.entries(states)) {
    const { client, accepted } = await connect();
    await prepare({ client, accepted });
    const aborting = accepted.abort!();
    assert.throws(() => void accepted.read(new Uint8Array(9)), Deno.errors.Interrupted, state);
    accepted.close();
    await Promise.all([aborting, accepted.abort!()]);
    await assert.rejects(readAll(client), Deno.errors.ConnectionReset, state);
    client.close();
  }
});

// A slow download that was cut had an orderly end.
Deno.test("AcceptedTcp.abort() resets a client that reads nothing, or slowly (R62)", async () => {
  for (const isSlow of [false, true]) {
    const { client, accepted } = await connect();
    const filling = writeAll(accepted, new Uint8Array(50_000_000));
    const rejected = assert.rejects(filling, Deno.errors.Interrupted);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const aborting = accepted.abort!();
    // On a busy machine the reset comes before the client has read slowly for long.
    const reading = assert.rejects(
      async () => {
        for (let count = 0; isSlow && count < 20; count++) {
          await client.read(new Uint8Array(20_000));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await Promise.all([aborting, rejected]);
        await readAll(client);
      },
      Deno.errors.ConnectionReset,
      `isSlow: ${isSlow}`,
    );
    await Promise.all([aborting, rejected, reading]);
    client.close();
  }
});

// It was reset like one with a full buffer. Of 8 such connections, some sent a FIN ahead.
Deno.test("AcceptedTcp.abort() resets a client that reads all before its turn comes (R62)", async () => {
  const gate = Promise.withResolvers<void>();
  const { reset, resetFull } = ResetHandle.prototype;
  let fullResets = 0;
  Object.assign(ResetHandle.prototype, {
    async reset(this: ResetHandle) {
      await gate.promise;
      await reset.call(this);
    },
    resetFull(this: ResetHandle) {
      fullResets++;
      resetFull.call(this);
    },
  });
  try {
    const [first, slow] = await Promise.all([connect(), connect()]);
    const filling = assert.rejects(writeAll(slow.accepted, new Uint8Array(50_000_000)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const aborting = [first.accepted.abort!(), slow.accepted.abort!()];
    await new Promise((resolve) => setTimeout(resolve, 150));
    const reading = assert.rejects(readAll(slow.client), Deno.errors.ConnectionReset);
    await filling;
    gate.resolve();
    await Promise.all([...aborting, reading]);
    assert.equal(fullResets, 0);
    first.client.close();
    slow.client.close();
  } finally {
    Object.assign(ResetHandle.prototype, { reset, resetFull });
  }
});

Deno.test("AcceptedTcp.isPeerAlive() is false once the peer has reset, and sends no byte", async () => {
  const { client, accepted } = await connect();
  await client.closeWrite();
  // Linux refuses a time of more than 32,767 s; that says nothing about the client.
  for (const idleMs of [1_000, 40_000_000]) assert.equal(await accepted.isPeerAlive!(idleMs), true);
  await accepted.closeWrite();
  assert.equal(text(await readAll(client)), "");
  client.close();
  accepted.close();
  const gone = await connect();
  await send(gone.accepted, "unread");
  await gone.client.closeWrite();
  // Unread bytes turn the close into a reset.
  gone.client.close();
  await assert.rejects(readAll(gone.accepted).then(() => send(gone.accepted, "x")));
  assert.equal(await gone.accepted.isPeerAlive!(1_000), false);
  gone.accepted.close();
});
