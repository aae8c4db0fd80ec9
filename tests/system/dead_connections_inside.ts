// Run by dead_connections_test.ts. The variables CERT and KEY name the files of a certificate that
// this process trusts.
import assert from "node:assert/strict";
import { ApiError } from "../../src/model/errors.ts";
import { dropHttpConnections, type HttpRequest, sendHttp } from "../../src/system/http.ts";

/** Forwards connections to a server until they die as in sleep: no byte and no end gets through. */
class Path implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns: Deno.TcpConn[] = [];
  readonly #server: number;
  #generation = 0;

  constructor(server: number) {
    this.#server = server;
    void this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** The number of connections so far. */
  get count(): number {
    return this.#conns.length / 2;
  }

  /** Lets all current connections die. */
  kill(): void {
    this.#generation++;
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) {
      const far = await Deno.connect({ hostname: "127.0.0.1", port: this.#server });
      this.#conns.push(near, far);
      void this.#pump(near, far);
      void this.#pump(far, near);
    }
  }

  async #pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const generation = this.#generation;
    const buffer = new Uint8Array(65_536);
    try {
      for (let size = await from.read(buffer); size !== null; size = await from.read(buffer)) {
        if (generation === this.#generation) await to.write(buffer.subarray(0, size));
      }
    } catch {
      // The connection was closed at the end of the test.
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const conn of this.#conns) conn.close();
  }
}

/** Runs an HTTPS server behind a path during a test. */
async function withPath(
  test: (path: Path, send: (fields?: Partial<HttpRequest>) => Promise<string>) => Promise<void>,
): Promise<void> {
  const cert = await Deno.readTextFile(Deno.env.get("CERT")!);
  const key = await Deno.readTextFile(Deno.env.get("KEY")!);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} },
    () => new Response("fine"),
  );
  const path = new Path(server.addr.port);
  const url = `https://localhost:${path.port}/`;
  try {
    await test(path, async (fields = {}) => {
      const rest = { method: "GET", headers: {}, timeoutMs: 5_000, maxBodyBytes: 100 } as const;
      return (await sendHttp({ url, ...rest, ...fields })).body;
    });
  } finally {
    dropHttpConnections();
    path[Symbol.dispose]();
    await server.shutdown();
  }
}

Deno.test("sendHttp() uses one connection for successive requests", () =>
  withPath(async (path, send) => {
    for (let request = 0; request < 3; request++) assert.equal(await send(), "fine");
    assert.equal(path.count, 1);
  }));

// With HTTP/2 the later requests once got no answer either.
Deno.test("sendHttp() uses a new connection after a request without an answer", () =>
  withPath(async (path, send) => {
    await send();
    path.kill();
    await assert.rejects(
      send({ timeoutMs: 200 }),
      (error) => error instanceof ApiError && error.code === "timeout",
    );
    assert.equal(await send(), "fine");
    assert.equal(path.count, 2);
  }));

Deno.test("sendHttp() uses a new connection after a request that was cancelled", () =>
  withPath(async (path, send) => {
    await send();
    path.kill();
    const stop = new AbortController();
    const cancelled = send({ signal: stop.signal });
    stop.abort(new Error("over"));
    await assert.rejects(cancelled, /over/);
    assert.equal(await send(), "fine");
  }));

Deno.test("dropHttpConnections() replaces dead connections, and keeps a running request", () =>
  withPath(async (path, send) => {
    const running = send();
    dropHttpConnections();
    assert.equal(await running, "fine");
    await send();
    path.kill();
    dropHttpConnections();
    assert.equal(await send(), "fine");
  }));
