// Run by dead_connections_test.ts in a process that trusts the CA of the files that the variables CERT and KEY name.
import assert from "node:assert/strict";
import { ApiError } from "../../src/model/errors.ts";
import { dropHttpConnections, type HttpRequest, sendHttp } from "../../src/system/http.ts";

/** A way to the server whose connections can die without a word, as in sleep: nothing comes through, and nobody is told. */
class Way implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns: Deno.TcpConn[] = [];
  readonly #server: number;
  #lives = 0;

  constructor(server: number) {
    this.#server = server;
    void this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** How many were made. */
  get count(): number {
    return this.#conns.length / 2;
  }

  /** All that there are die; later ones live. */
  kill(): void {
    this.#lives++;
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
    const life = this.#lives;
    const buffer = new Uint8Array(65_536);
    try {
      for (let size = await from.read(buffer); size !== null; size = await from.read(buffer)) {
        if (life === this.#lives) await to.write(buffer.subarray(0, size));
      }
    } catch {
      // Closed at the end.
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const conn of this.#conns) conn.close();
  }
}

async function withWay(
  test: (way: Way, send: (fields?: Partial<HttpRequest>) => Promise<string>) => Promise<void>,
): Promise<void> {
  const cert = await Deno.readTextFile(Deno.env.get("CERT")!);
  const key = await Deno.readTextFile(Deno.env.get("KEY")!);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} },
    () => new Response("fine"),
  );
  const way = new Way(server.addr.port);
  const url = `https://localhost:${way.port}/`;
  try {
    await test(way, async (fields = {}) => {
      const rest = { method: "GET", headers: {}, timeoutMs: 5_000, maxBodyBytes: 100 } as const;
      return (await sendHttp({ url, ...rest, ...fields })).body;
    });
  } finally {
    dropHttpConnections();
    way[Symbol.dispose]();
    await server.shutdown();
  }
}

Deno.test("sendHttp() uses one connection for requests that follow each other", () =>
  withWay(async (way, send) => {
    for (let request = 0; request < 3; request++) assert.equal(await send(), "fine");
    assert.equal(way.count, 1);
  }));

Deno.test("sendHttp() has a new connection after a request that got no answer (with HTTP/2 all that followed got none either)", () =>
  withWay(async (way, send) => {
    await send();
    way.kill();
    await assert.rejects(
      send({ timeoutMs: 200 }),
      (error) => error instanceof ApiError && error.code === "timeout",
    );
    assert.equal(await send(), "fine");
    assert.equal(way.count, 2);
  }));

Deno.test("sendHttp() has a new connection after a request that was broken off", () =>
  withWay(async (way, send) => {
    await send();
    way.kill();
    const stop = new AbortController();
    const broken = send({ signal: stop.signal });
    stop.abort(new Error("over"));
    await assert.rejects(broken, /over/);
    assert.equal(await send(), "fine");
  }));

Deno.test("dropHttpConnections() spares the next request a connection that died, and a request that runs", () =>
  withWay(async (way, send) => {
    const running = send();
    dropHttpConnections();
    assert.equal(await running, "fine");
    await send();
    way.kill();
    dropHttpConnections();
    assert.equal(await send(), "fine");
  }));
