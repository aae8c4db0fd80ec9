import assert from "node:assert/strict";
import { ConnectionSlots } from "../../src/forward/admission/connection_slots.ts";
import { OwnConnections } from "../../src/forward/own_connections.ts";
import { Listeners, type ListenersOptions } from "../../src/forward/listeners.ts";
import { BindError } from "../../src/model/errors.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { untilRefused } from "../fakes/sockets.ts";

function start(options: Partial<ListenersOptions> & Pick<ListenersOptions, "onConnection">): Listeners {
  return new Listeners({
    own: new OwnConnections(),
    listen: listenTcp,
    slots: new ConnectionSlots(10),
    admit: () => true,
    keyOf: (key) => key,
    ...options,
  });
}

Deno.test("Listeners opens, lists and closes listeners by address and port", async () => {
  await using logged = await captureLog();
  await using listeners = start({
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
  await using listeners = start({
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
  await using listeners = start({
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
