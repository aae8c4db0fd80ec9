import assert from "node:assert/strict";
import { ListenerProbe } from "../../src/forward/listener_probe.ts";
import { connectTcp, listenTcp } from "../../src/system/tcp.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { route } from "../fakes/routes.ts";
import { startForwarder } from "../fakes/start_forwarder.ts";

const { signal } = new AbortController();
const ROUTE = route("tcp://db.internal:5432");

Deno.test("ListenerProbe reports a listener that does not accept, until it does", async () => {
  await using logged = await captureLog();
  let stuck = true;
  await using it = startForwarder([ROUTE], {
    listen(where) {
      const listener = listenTcp(where);
      const closed = Promise.withResolvers<never>();
      closed.promise.catch(() => {});
      return {
        ...listener,
        accept: () => stuck ? closed.promise : listener.accept(),
        close() {
          closed.reject(new Error("The listener is closed"));
          listener.close();
        },
      };
    },
  });
  const { forwarder, key } = it;
  const probe = new ListenerProbe({
    observe: () => forwarder.observe(),
    accepts: (key) => forwarder.accepts(key, connectTcp),
  });
  await probe.probe(signal);
  assert.deepEqual(probe.problems, [`The listener on ${key} does not accept connections`]);
  stuck = false;
  forwarder.close(key);
  forwarder.open({ address: "127.0.0.1", port: it.port });
  await probe.probe(signal);
  assert.deepEqual(probe.problems, []);
  assert.deepEqual(logged.lines("error"), [`Listener on ${key} does not accept connections`]);
  assert.deepEqual(logged.lines("info"), [`Listener on ${key} accepts connections again`]);
});

Deno.test("ListenerProbe probes every listener within 20 intervals, and a failing one in each", async () => {
  await using _logged = await captureLog();
  const keys = Array.from({ length: 1000 }, (_, index) => `10.0.0.1:${index + 1}`);
  const probed = new Map<string, number>();
  const probe = new ListenerProbe({
    observe: () => keys,
    accepts(key) {
      probed.set(key, (probed.get(key) ?? 0) + 1);
      return Promise.resolve(key !== keys[7]);
    },
  });
  for (let interval = 0; interval < 20; interval++) await probe.probe(signal);
  assert.equal(probed.size, 1000);
  assert.equal(probed.get(keys[7]!), 20);
  assert.equal(probed.get(keys[8]!), 1);
});
