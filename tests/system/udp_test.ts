import assert from "node:assert/strict";
import { BindError } from "../../src/model/errors.ts";
import { listenUdp } from "../../src/system/udp.ts";

const HELLO = new TextEncoder().encode("hello");

Deno.test("listenUdp() receives a datagram with its sender, and replies from the same address (F52)", async () => {
  for (const address of ["127.0.0.1", "127.0.0.2", "127.7.8.9"]) {
    const server = listenUdp({ address, port: 0 });
    const client = listenUdp({ address: "127.0.0.1", port: 0 });
    assert.equal(server.key, `${address}:${server.port}`);
    await client.send(HELLO, { hostname: address, port: server.port });
    const [data, peer] = await server.receive(new Uint8Array(3));
    assert.deepEqual([new TextDecoder().decode(data), peer.hostname, peer.port], [
      "hel",
      "127.0.0.1",
      client.port,
    ]);
    await server.send(data, peer);
    const [, from] = await client.receive(new Uint8Array(10));
    assert.deepEqual([from.hostname, from.port], [address, server.port]);
    server.close();
    client.close();
  }
});

Deno.test("listenUdp() throws BindError if the address is in use or not local", () => {
  const first = listenUdp({ address: "127.0.0.1", port: 0 });
  const { port } = first;
  assert.throws(
    () => listenUdp({ address: "127.0.0.1", port }),
    (error) =>
      error instanceof BindError && error.reason === "in_use" &&
      error.message === `Cannot bind 127.0.0.1:${port}: address is in use`,
  );
  first.close();
  assert.throws(
    () => listenUdp({ address: "192.0.2.1", port: 0 }),
    (error) => error instanceof BindError && error.reason === "not_available",
  );
});

Deno.test("A UDP socket survives a send to port 0; closing it ends a pending receive (F47)", async () => {
  const socket = listenUdp({ address: "127.0.0.1", port: 0 });
  await assert.rejects(socket.send(HELLO, { hostname: "127.0.0.1", port: 0 }));
  await socket.send(HELLO, { hostname: "127.0.0.1", port: socket.port });
  assert.equal((await socket.receive(new Uint8Array(10)))[0].length, 5);
  const pending = socket.receive(new Uint8Array(10));
  socket.close();
  await assert.rejects(pending);
});
