import assert from "node:assert/strict";
import { writeAll } from "../../src/system/byte_stream.ts";
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
    for (let count = 0; isSlow && count < 20; count++) {
      await client.read(new Uint8Array(20_000));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all([aborting, rejected]);
    await assert.rejects(readAll(client), Deno.errors.ConnectionReset, `isSlow: ${isSlow}`);
    client.close();
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
