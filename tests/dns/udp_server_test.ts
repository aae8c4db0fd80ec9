import assert from "node:assert/strict";
import { serveUdp, type UdpServerOptions } from "../../src/dns/udp_server.ts";
import { nextTurn } from "../../src/system/turns.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { FakeUdp } from "./fake_sockets.ts";

const [ONE, TWO, THREE] = [new Uint8Array([1]), new Uint8Array([2]), new Uint8Array([3])];

function serving(options: Partial<UdpServerOptions> = {}) {
  const socket = new FakeUdp();
  const stop = new AbortController();
  const done = serveUdp(socket, {
    judge: () => "answer",
    respond: (message) => message.slice(),
    truncate: () => TWO,
    refuse: () => THREE,
    signal: stop.signal,
    ...options,
  });
  return {
    socket,
    sent: () => socket.sent.map(({ data, peer }) => `${data.join()} ${peer.hostname}:${peer.port}`),
    async close() {
      stop.abort();
      socket.close();
      await done;
    },
  };
}

Deno.test("serveUdp() lets the event loop run in a flood, at most 64 datagrams apart (R78)", async () => {
  for (const [forwards, most] of [[false, 64], [true, 64 / 16]] as const) {
    let answered = 0;
    const server = serving({
      respond(message) {
        answered++;
        return forwards ? Promise.resolve(message.slice()) : message.slice();
      },
    });
    for (let count = 0; count < 640; count++) server.socket.deliver(ONE, "192.168.1.9", 1);
    for (let before = 0; answered < 640; before = answered) {
      await nextTurn();
      assert.ok(answered - before <= most, `${answered - before} in one turn`);
    }
    await server.close();
  }
});

Deno.test("serveUdp() does nothing for a datagram from port 0 (F47)", async () => {
  using time = fakeClock();
  const server = serving({
    judge: (peer) => peer.port === 0 ? assert.fail("port 0 is judged") : "answer",
    respond: (message) => message[0] === 1 ? assert.fail("port 0 is answered") : message.slice(),
  });
  server.socket.deliver(ONE, "192.168.1.9", 0);
  server.socket.deliver(TWO, "192.168.1.9", 1);
  await time.pass(0);
  assert.deepEqual(server.sent(), ["2 192.168.1.9:1"]);
  await server.close();
});

Deno.test("serveUdp() answers, truncates, refuses or ignores a message by the verdict", async () => {
  using time = fakeClock();
  const verdicts = {
    "10.0.0.1": "answer",
    "10.0.0.2": "truncate",
    "10.0.0.3": "drop",
    "10.0.0.4": "refuse",
  } as const;
  const server = serving({ judge: ({ hostname }) => verdicts[hostname as keyof typeof verdicts] });
  for (const peer of Object.keys(verdicts)) server.socket.deliver(ONE, peer, 1000);
  await time.pass(0);
  assert.deepEqual(server.sent(), ["1 10.0.0.1:1000", "2 10.0.0.2:1000", "3 10.0.0.4:1000"]);
  await server.close();
});

Deno.test("serveUdp() answers other messages while a reply is pending", async () => {
  using time = fakeClock();
  const later = Promise.withResolvers<Uint8Array>();
  const server = serving({
    respond: (message) => message[0] === 1 ? later.promise : message[0] === 2 ? message.slice() : undefined,
  });
  server.socket.deliver(ONE, "10.0.0.1");
  server.socket.deliver(TWO, "10.0.0.2");
  server.socket.deliver(new Uint8Array(), "10.0.0.3");
  await time.pass(0);
  assert.deepEqual(server.sent(), ["2 10.0.0.2:40000"]);
  later.resolve(ONE);
  await time.pass(0);
  assert.deepEqual(server.sent(), ["2 10.0.0.2:40000", "1 10.0.0.1:40000"]);
  await server.close();
});

Deno.test("serveUdp() continues if a reply cannot be sent", async () => {
  await using logged = await captureLog();
  using time = fakeClock();
  const server = serving({ respond: (message) => message[0] === 1 ? Promise.resolve(ONE) : TWO });
  server.socket.onSend = (_, { hostname }) => {
    if (hostname === "10.0.0.1") throw new TypeError("Invalid argument (os error 22)");
  };
  for (let count = 0; count < 3; count++) {
    server.socket.deliver(ONE, "10.0.0.1");
    server.socket.deliver(TWO, "10.0.0.1");
  }
  server.socket.deliver(TWO, "10.0.0.2");
  await time.pass(0);
  assert.deepEqual(server.sent(), ["2 10.0.0.2:40000"]);
  assert.deepEqual(logged.lines("warning"), []);
  await server.close();
});

Deno.test("serveUdp() backs off from 5 ms to 1 s while the socket fails, logs it once, and recovers (F49)", async () => {
  await using logged = await captureLog();
  using time = fakeClock();
  const server = serving();
  for (let count = 0; count < 15; count++) {
    server.socket.fail(new Deno.errors.ConnectionRefused("port unreachable"));
  }
  await time.pass(0);
  assert.equal(server.socket.receives, 1);
  await time.pass(15);
  assert.equal(server.socket.receives, 3);
  await time.pass(10_000);
  assert.ok(server.socket.receives >= 14 && server.socket.receives <= 20, `${server.socket.receives}`);
  assert.equal(logged.lines("warning").length, 1);
  assert.match(
    logged.lines("warning")[0]!,
    /Cannot receive DNS queries on .*127\.0\.0\.1:53.*port unreachable/,
  );
  server.socket.deliver(ONE, "10.0.0.1");
  await time.pass(1000);
  assert.deepEqual(server.sent(), ["1 10.0.0.1:40000"]);
  server.socket.fail(new Deno.errors.ConnectionRefused("port unreachable"));
  await time.pass(5);
  assert.equal(logged.lines("warning").length, 2, "a new failure is logged again");
  const closing = server.close();
  await time.pass(0);
  await closing;
});
