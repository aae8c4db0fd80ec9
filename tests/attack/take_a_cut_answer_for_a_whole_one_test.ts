import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import type { AcceptedStream } from "../../src/system/tcp.ts";
import { dial, exchange, get } from "../e2e/client.ts";
import { DeadlyRelay } from "../fakes/deadly_relay.ts";
import { latin1, pattern, readAll, readExactly, readUntil, send, text } from "../fakes/memory_stream.ts";

const PART = pattern(100_000);

/** Starts answers that are not complete yet, by endpoint of the stage and way of forwarding. */
const ANSWERS: Record<string, (addresses: Record<string, string>) => Promise<Deno.TcpConn>> = {
  "tcp": async ({ tcp }) => {
    const conn = await dial(tcp!);
    await send(conn, PART);
    await readExactly(conn, PART.length);
    return conn;
  },
  "http with its own Host": ({ http }) => socket(http!, "api.myapp:8181"),
  "http with another Host": ({ http }) => socket(http!, "localhost"),
  "tcp after a half-close": async ({ stall }) => {
    const conn = await dial(stall!);
    await conn.closeWrite();
    return conn;
  },
};

async function socket(address: string, host: string): Promise<Deno.TcpConn> {
  const conn = await dial(address);
  const fields = "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n";
  await send(conn, `GET / HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`);
  await readUntil(conn, "\r\n\r\n");
  return conn;
}

/** A daemon whose ingress can die. */
async function openStage(resources: AsyncDisposableStack) {
  let target = 0;
  const relay = resources.use(new DeadlyRelay(() => target));
  const stage = resources.use(
    await Stage.open({ ingress: `localhost:${relay.port}`, server: "log_level: debug" }),
  );
  target = stage.cloud.ingressPort;
  stage.cloud.addEndpoint({ url: "tcp://db.myapp:5532", backend: "echo" });
  stage.cloud.addEndpoint({ url: "tcp://stall.myapp:5533", backend: "stall" });
  stage.cloud.addEndpoint({ url: "http://api.myapp:8181", backend: "http" });
  stage.startDaemon();
  const rows = await stage.active(3);
  const of = (url: string) => rows.find((row) => row.url === url)!.listen_address;
  const addresses = {
    tcp: of("tcp://db.myapp:5532"),
    stall: of("tcp://stall.myapp:5533"),
    http: of("http://api.myapp:8181"),
  };
  const connected = (count: number): Promise<void> =>
    stage.until(`${count} connections`, async () => {
      const rows = await stage.askList();
      return rows.reduce((sum, row) => sum + row.open_connections, 0) === count;
    });
  return { stage, relay, addresses, connected };
}

/** Starts all answers, lets `kill` end them, and demands that every client sees a reset. */
async function assertReset(
  { addresses, connected }: Awaited<ReturnType<typeof openStage>>,
  kill: () => Promise<unknown>,
): Promise<void> {
  const conns = await Promise.all(Object.values(ANSWERS).map((start) => start(addresses)));
  await connected(conns.length);
  await Promise.all([
    kill(),
    ...conns.map((conn, index) =>
      assert.rejects(readAll(conn), Deno.errors.ConnectionReset, Object.keys(ANSWERS)[index])
    ),
  ]);
  for (const conn of conns) conn.close();
}

// The client saw an orderly end of the stream in every case.
Deno.test("an answer that the ingress cuts, or ngrokd at its stop, ends with a reset (R62)", async () => {
  await using resources = new AsyncDisposableStack();
  const it = await openStage(resources);
  const deaths: Record<string, (near: AcceptedStream) => unknown> = {
    "the ingress is killed": (near) => near.close(),
    "its host is gone, and another answers": (near) => near.abort!(),
    "a proxy writes into the stream": async (near) => {
      await send(near, "HTTP/1.1 503 Service Unavailable\r\n\r\n");
      near.close();
    },
  };
  for (const death of Object.values(deaths)) {
    await assertReset(it, () => it.relay.kill(death));
    await it.connected(0);
  }
  await assertReset(it, async () => {
    // The second signal ends the drain.
    Deno.kill(it.stage.pid, "SIGTERM");
    await it.stage.until("draining", () => it.stage.log.some((line) => line.includes("Waiting for running")));
    assert.equal(await it.stage.stopDaemon(), 0);
  });
});

Deno.test("an orderly end of the server and a half-close of the client stay what they are (R62)", async () => {
  await using resources = new AsyncDisposableStack();
  const { addresses } = await openStage(resources);
  for (let round = 0; round < 5; round++) {
    assert.deepEqual(await exchange(addresses.tcp, PART), PART);
    for (const host of ["api.myapp:8181", "localhost"]) {
      assert.equal((await get(addresses.http, host)).status, 200);
      const refused = `POST / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc`;
      assert.match(
        text(await exchange(addresses.http, latin1(refused))),
        /^HTTP\/1\.1 200 [^]*"body_bytes":3/,
      );
    }
  }
});
