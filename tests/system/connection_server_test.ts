import assert from "node:assert/strict";
import { ConnectionServer, type ConnectionServerOptions } from "../../src/system/connection_server.ts";

/** A connection that ends when it is closed. */
class FakeConn {
  readonly ended = Promise.withResolvers<void>();
  isClosed = false;

  constructor(readonly source: string) {}

  close(): void {
    this.isClosed = true;
    this.ended.resolve();
  }
  read = () => Promise.resolve(null);
  write = (data: Uint8Array) => Promise.resolve(data.length);
  closeWrite = () => Promise.resolve();
}

/** Serves connections from these sources in turn, and waits until all of them were accepted. */
async function serve(
  sources: readonly string[],
  options: Partial<ConnectionServerOptions<FakeConn>> = {},
): Promise<{ conns: FakeConn[]; server: ConnectionServer<FakeConn> }> {
  const conns = sources.map((source) => new FakeConn(source));
  const waiting = [...conns];
  const idle = Promise.withResolvers<void>();
  const end = Promise.withResolvers<never>();
  const server = new ConnectionServer<FakeConn>({
    accept() {
      const next = waiting.shift();
      if (next === undefined) idle.resolve();
      return next === undefined ? end.promise : Promise.resolve(next);
    },
    close: () => end.reject(new Error("closed")),
  }, {
    max: 4,
    sourceOf: ({ source }) => source,
    serve: (conn) => conn.ended.promise,
    onFailure: (error) => assert.fail(String(error)),
    ...options,
  });
  await idle.promise;
  return { conns, server };
}

async function finish({ conns, server }: Awaited<ReturnType<typeof serve>>): Promise<boolean[]> {
  const open = conns.map(({ isClosed }) => !isClosed);
  for (const conn of conns) conn.close();
  await server[Symbol.asyncDispose]();
  return open;
}

Deno.test("ConnectionServer takes a place from the oldest connection of the biggest source (R70)", async () => {
  assert.deepEqual(await finish(await serve([..."aabbc"])), [false, true, true, true, true]);
  assert.deepEqual(await finish(await serve([..."abbbc"])), [true, false, true, true, true]);
});

Deno.test("ConnectionServer closes a new connection if all others are kept (R72)", async () => {
  const served = await serve([..."aaaab"], {
    serve(conn, { keep }) {
      keep();
      return conn.ended.promise;
    },
  });
  assert.deepEqual(await finish(served), [true, true, true, true, false]);
});

Deno.test("ConnectionServer ends no connection of a burst before it could be read (R70)", async () => {
  const turns = new Map<FakeConn, number>();
  let turn = 0;
  const timer = setInterval(() => turn++, 0);
  const conns = await serve(Array(40).fill("a"), {
    async serve(conn) {
      const start = turn;
      await conn.ended.promise;
      turns.set(conn, turn - start);
    },
  });
  await finish(conns);
  clearInterval(timer);
  assert.ok(Math.min(...[...turns.values()].slice(0, 36)) >= 1, [...turns.values()].join(" "));
});
