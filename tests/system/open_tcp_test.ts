import assert from "node:assert/strict";
import { openTcp } from "../../src/system/open_tcp.ts";
import { until } from "../fakes/sockets.ts";

/** A server that keeps each connection until its client closes it. */
class Server implements AsyncDisposable {
  readonly open = new Set<Deno.Conn>();
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #accepting = this.#accept();

  get port(): number {
    return this.#listener.addr.port;
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      this.open.add(conn);
      conn.read(new Uint8Array(1)).catch(() => {}).finally(() => {
        conn.close();
        this.open.delete(conn);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
  }
}

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

// The runtime loses a connection that opens while the signal aborts.
Deno.test("openTcp() leaves no connection open, whenever its signal aborts", async () => {
  await using server = new Server();
  const { port } = server;
  let opened = 0;
  for (let count = 0; count < 1000; count++) {
    const reason = new Error("enough");
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(reason), count % 2);
    const opening = openTcp({ hostname: "127.0.0.1", port, signal: stop.signal });
    spin(count % 3 / 2);
    await opening.then((conn) => {
      opened++;
      conn.close();
    }, (error) => assert.equal(error, reason));
    clearTimeout(timer);
  }
  assert.ok(opened > 0 && opened < 1000, `${opened} opened`);
  await until(() => server.open.size === 0);
});

Deno.test("openTcp() rejects with the reason of an aborted signal, and with the error of the runtime", async () => {
  const server = new Server();
  const { port } = server;
  const reason = new Error("enough");
  await assert.rejects(openTcp({ hostname: "127.0.0.1", port, signal: AbortSignal.abort(reason) }), reason);
  await server[Symbol.asyncDispose]();
  const { signal } = new AbortController();
  await assert.rejects(openTcp({ hostname: "127.0.0.1", port, signal }), Deno.errors.ConnectionRefused);
});
