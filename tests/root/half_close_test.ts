import assert from "node:assert/strict";
import { WELCOME } from "../fakes/fake_ingress.ts";
import { readAll, send, text } from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { until } from "../fakes/sockets.ts";
import { startForwarder } from "../fakes/start_forwarder.ts";
import { rootTests } from "./test_root.ts";

const test = rootTests(import.meta.url, {
  // The kernel answers as long as this for a client that has closed its socket; by default 60 s.
  prelude: "echo 1 > /proc/sys/net/ipv4/tcp_fin_timeout",
});

test("a half-closed client gets its late answer, and one that is gone loses its place (R29)", async () => {
  const answer = Promise.withResolvers<void>();
  await using it = startForwarder([route("tcp://db.myapp:5432")], {
    halfCloseMs: () => 1_500,
    async behave(conn) {
      await send(conn, WELCOME);
      await answer.promise;
      await send(conn, "late");
    },
  });
  using waiting = await it.dial();
  await waiting.closeWrite();
  (await it.dial()).close();
  await until(() => it.forwarder.openConnections === 2);
  const start = performance.now();
  await until(() => it.forwarder.openConnections === 1);
  const seconds = (performance.now() - start) / 1000;
  assert.ok(seconds > 2 && seconds < 10, `gone after ${seconds} s`);
  answer.resolve();
  assert.equal(text(await readAll(waiting)), "late");
});
