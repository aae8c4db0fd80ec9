import assert from "node:assert/strict";
import { BindError } from "../../src/model/errors.ts";
import { listenTcp } from "../../src/system/tcp.ts";

Deno.test("listenTcp() accepts a connection with its peer, and passes on a half-close", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  assert.equal(listener.key, `127.0.0.1:${listener.port}`);
  const [server, conn] = await Promise.all([listener.accept(), Deno.connect({ port: listener.port })]);
  assert.equal(server.peer, "127.0.0.1");
  await conn.closeWrite();
  const buffer = new Uint8Array(10);
  assert.equal(await server.read(buffer), null);
  await server.write(new Uint8Array([1]));
  assert.equal(await conn.read(buffer), 1);
  server.close();
  conn.close();
  listener.close();
});

Deno.test("listenTcp() accepts a client that has closed its connection", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  const conn = await Deno.connect({ port: listener.port });
  conn.close();
  const server = await listener.accept();
  assert.equal(await server.read(new Uint8Array(10)), null);
  server.close();
  listener.close();
});

Deno.test("listenTcp() ends a pending accept when it is closed", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  listener.close();
  await assert.rejects(accepting, Deno.errors.BadResource);
});

Deno.test("listenTcp() throws BindError if the address is in use or not local", () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  const cases = [["127.0.0.1", listener.port, "in_use"], ["192.0.2.1", 0, "not_available"]] as const;
  for (const [address, port, reason] of cases) {
    assert.throws(() => listenTcp({ address, port }), (error) => {
      assert.ok(error instanceof BindError);
      assert.deepEqual([error.reason, error.address], [reason, `${address}:${port}`]);
      if (reason === "in_use") assert.match(error.hint!, /ss -ltnp/);
      return true;
    });
  }
  listener.close();
});
