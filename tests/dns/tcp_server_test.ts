import assert from "node:assert/strict";
import { TcpServer, type TcpServerLimits } from "../../src/dns/tcp_server.ts";
import { listenTcp, type TcpListener } from "../../src/system/tcp.ts";
import { nextTurn } from "../../src/system/turns.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { until } from "../fakes/sockets.ts";
import { TcpClient } from "./client.ts";
import { idleListener } from "./fake_sockets.ts";

/** Echoes; a first octet of 1 delays the reply, 2 withholds, 3 prevents, 4 enlarges it. */
class Served implements AsyncDisposable {
  readonly tcp: TcpServer;
  readonly port: number;
  readonly held: PromiseWithResolvers<Uint8Array>[] = [];
  readonly #listener: TcpListener;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(limits: TcpServerLimits = {}, options: ServedOptions = {}) {
    const { admits = () => true, onMessage = () => {} } = options;
    this.tcp = new TcpServer(limits);
    this.#listener = listenTcp({ address: "127.0.0.1", port: 0 });
    this.port = this.#listener.port;
    this.#done = this.tcp.serve(this.#listener, {
      admits,
      respond: (bytes) => {
        onMessage(bytes);
        return this.#respond(bytes);
      },
      signal: this.#stop.signal,
    });
  }

  #respond(message: Uint8Array): Uint8Array | Promise<Uint8Array> | undefined {
    const bytes = message.slice();
    if (bytes[0] === 1) return new Promise((resolve) => setTimeout(() => resolve(bytes), 5));
    if (bytes[0] === 2) {
      const held = Promise.withResolvers<Uint8Array>();
      this.held.push(held);
      return held.promise;
    }
    if (bytes[0] === 3) return undefined;
    return bytes[0] === 4 ? new Uint8Array(60_000) : bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#listener.close();
    for (const { resolve } of this.held) resolve(new Uint8Array(1));
    await this.tcp[Symbol.asyncDispose]();
    await this.#done;
  }
}

interface ServedOptions {
  readonly admits?: (peer: string) => boolean;
  readonly onMessage?: (bytes: Uint8Array) => void;
}

function numbered(first: number, number: number): Uint8Array {
  return new Uint8Array([first, number >> 8, number & 255, ...Array(20).fill(7)]);
}

Deno.test("TcpServer answers 128 queries of one write, each once, the ready ones first (F51)", async () => {
  await using server = new Served();
  using client = await TcpClient.connect(server.port);
  await client.ask(...Array.from({ length: 128 }, (_, number) => numbered(2 * (number % 2), number)));
  const next64 = async () => {
    const numbers: number[] = [];
    while (numbers.length < 64) numbers.push((await client.next())![2]!);
    return numbers;
  };
  assert.deepEqual(await next64(), Array.from({ length: 64 }, (_, index) => 2 * index));
  const odd = Array.from({ length: 64 }, (_, index) => 2 * index + 1);
  for (const [index, { resolve }] of server.held.entries()) resolve(numbered(2, odd[index]!));
  assert.deepEqual((await next64()).toSorted((a, b) => a - b), odd);
});

Deno.test("TcpServer serves one connection in one turn of the event loop (R78)", async () => {
  const served = new Set<string>();
  let most = 0;
  await using server = new Served({ maxPerSource: 64 }, { onMessage: (bytes) => served.add(`${bytes[1]}`) });
  const clients = await Promise.all(Array.from({ length: 31 }, () => TcpClient.connect(server.port)));
  const queries = (index: number) => Array.from({ length: 500 }, () => numbered(0, index << 8));
  const received = clients.map(async (client, index) => {
    await client.ask(...queries(index));
    for (let count = 0; count < 500; count++) await client.next();
  });
  const all = Promise.all(received).then(() => false);
  while (await Promise.race([all, nextTurn().then(() => true)])) {
    most = Math.max(most, served.size);
    served.clear();
  }
  for (const client of clients) client[Symbol.dispose]();
  // A turn can begin before and end after the one of this loop.
  assert.ok(most <= 2, `${most} connections were served in one turn`);
});

Deno.test("TcpServer reads queries that arrive octet by octet or in pieces", async () => {
  await using server = new Served();
  using client = await TcpClient.connect(server.port);
  const bytes = new Uint8Array([0, 3, 9, 8, 7, 0, 2, 6, 5, 0]);
  for (const byte of bytes) await client.send(new Uint8Array([byte]));
  assert.deepEqual(await client.next(), new Uint8Array([9, 8, 7]));
  assert.deepEqual(await client.next(), new Uint8Array([6, 5]));
  await client.send(new Uint8Array([1, 9]));
  assert.deepEqual(await client.next(), new Uint8Array([9]));
});

Deno.test("TcpServer sends outstanding replies after the client closes its side, then closes", async () => {
  await using server = new Served();
  using client = await TcpClient.connect(server.port);
  await client.ask(numbered(1, 1), numbered(1, 2));
  await client.end();
  const numbers = [(await client.next())![2], (await client.next())![2]];
  assert.deepEqual(numbers.toSorted(), [1, 2]);
  assert.equal(await client.next(), undefined);
  await until(() => server.tcp.size === 0);
});

Deno.test("TcpServer closes after a message without a reply, or one that is too long (F51)", async () => {
  await using server = new Served();
  for (const bad of [[0, 1, 3], [0xff, 0xff], [0x10, 0x01]]) {
    using client = await TcpClient.connect(server.port);
    await client.send(new Uint8Array([0, 1, 9, ...bad, 0, 1, 8]));
    assert.deepEqual(await client.next(), new Uint8Array([9]));
    assert.equal(await client.next(), undefined, `${bad}`);
  }
  using largest = await TcpClient.connect(server.port);
  assert.equal((await largest.exchange(new Uint8Array(4096)))!.length, 4096);
});

Deno.test("TcpServer closes the connection of a client that never reads its replies (F51)", async () => {
  await using server = new Served({ messageMs: 50 });
  using client = await TcpClient.connect(server.port);
  const flood = (async () => {
    for (;;) await client.ask(...Array.from({ length: 50 }, () => new Uint8Array([4])));
  })();
  await assert.rejects(flood);
  await until(() => server.tcp.size === 0);
});

Deno.test("TcpServer survives clients that reset the connection before their reply (F51)", async () => {
  await using server = new Served();
  for (let count = 0; count < 20; count++) {
    const client = await TcpClient.connect(server.port);
    // Closing with unread replies resets the connection.
    await client.ask(numbered(9, 1), numbered(1, 2), numbered(4, 3));
    await client.next();
    client[Symbol.dispose]();
  }
  await until(() => server.tcp.size === 0);
  using client = await TcpClient.connect(server.port);
  assert.equal((await client.exchange(numbered(9, 5)))![2], 5);
});

Deno.test("TcpServer reads no more from a connection with 128 queries outstanding", async () => {
  await using server = new Served();
  using client = await TcpClient.connect(server.port);
  for (let count = 0; count < 10; count++) {
    await client.ask(...Array.from({ length: 64 }, (_, number) => numbered(2, number)));
    await until(() => server.held.length >= Math.min(64 * (count + 1), 128));
  }
  // One read may exceed the limit, a second one may not.
  assert.ok(server.held.length < 128 + 178, `${server.held.length}`);
  server.held[0]!.resolve(numbered(9, 1));
  assert.equal((await client.next())![2], 1);
});

Deno.test("TcpServer closes a connection that is not admitted at once, without a byte", async () => {
  const asked: string[] = [];
  await using server = new Served({}, {
    admits(peer) {
      asked.push(peer);
      return false;
    },
  });
  using client = await TcpClient.connect(server.port);
  assert.equal(await client.next(), undefined);
  assert.deepEqual(asked, ["127.0.0.1"]);
  assert.equal(server.tcp.size, 0);
});

Deno.test("TcpServer closes a connection if admission fails, and continues", async () => {
  await using logged = await captureLog();
  let broken = true;
  await using server = new Served({}, {
    admits() {
      if (broken) throw new Error("Too many open files (os error 24)");
      return true;
    },
  });
  using first = await TcpClient.connect(server.port);
  assert.equal(await first.next(), undefined);
  broken = false;
  using second = await TcpClient.connect(server.port);
  assert.equal((await second.exchange(numbered(9, 1)))![2], 1);
  assert.equal(logged.lines("warning").length, 1);
});

Deno.test("TcpServer replaces the connection that has been idle for longest (F51)", async () => {
  await using server = new Served({ maxPerSource: 3, maxConnections: 5 });
  using stack = new DisposableStack();
  async function connect(): Promise<TcpClient> {
    const client = stack.use(await TcpClient.connect(server.port));
    assert.equal((await client.exchange(numbered(9, 1)))![2], 1);
    return client;
  }
  const [first, second, third] = [await connect(), await connect(), await connect()];
  await first.exchange(numbered(9, 2));
  await connect();
  assert.equal(server.tcp.size, 3);
  assert.equal(await second.next(), undefined, "the second was idle for longest");
  assert.equal((await first.exchange(numbered(9, 3)))![2], 3);
  assert.equal((await third.exchange(numbered(9, 3)))![2], 3);
});

Deno.test("TcpServer answers every connection of a burst before it is replaced (F51)", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  await using tcp = new TcpServer({ maxPerSource: 8 });
  using stack = new DisposableStack();
  const clients: TcpClient[] = [];
  for (let count = 0; count < 100; count++) {
    const client = stack.use(await TcpClient.connect(listener.port));
    await client.ask(numbered(9, count));
    clients.push(client);
  }
  const stop = new AbortController();
  const { signal } = stop;
  const done = tcp.serve(listener, { admits: () => true, respond: (bytes) => bytes.slice(), signal });
  const answers = await Promise.all(clients.map((client) => client.next().catch(() => undefined)));
  assert.deepEqual(answers.map((answer) => answer?.[2]), [...clients.keys()]);
  stop.abort();
  listener.close();
  await done;
});

Deno.test("TcpServer refuses a connection if all others have pending queries", async () => {
  await using server = new Served({ maxConnections: 2 });
  using stack = new DisposableStack();
  for (let count = 0; count < 2; count++) {
    await stack.use(await TcpClient.connect(server.port)).ask(numbered(2, count));
    await until(() => server.held.length === count + 1);
  }
  using late = await TcpClient.connect(server.port);
  assert.equal(await late.next(), undefined);
  assert.equal(server.tcp.size, 2);
});

Deno.test("TcpServer has at most 256 connections, 32 of one source (R19)", async () => {
  await using server = new Served();
  using stack = new DisposableStack();
  for (let count = 0; count < 40; count++) {
    const client = stack.use(await TcpClient.connect(server.port));
    await client.exchange(numbered(9, 1));
  }
  assert.equal(server.tcp.size, 32);
});

Deno.test("TcpServer backs off while there are no descriptors, logs it once, and recovers (F63)", async () => {
  await using logged = await captureLog();
  const tcp = new TcpServer();
  const stop = new AbortController();
  let accepts = 0;
  const accepted = Promise.withResolvers<void>();
  const idle = idleListener();
  const listener: TcpListener = {
    ...idle,
    accept() {
      if (++accepts <= 4) return Promise.reject(new Error("Too many open files (os error 24)"));
      accepted.resolve();
      return idle.accept();
    },
  };
  const done = tcp.serve(listener, { admits: () => true, respond: () => undefined, signal: stop.signal });
  await accepted.promise;
  assert.equal(accepts, 5);
  assert.equal(logged.lines("warning").length, 1);
  assert.match(
    logged.lines("warning")[0]!,
    /Cannot accept DNS connections on .*127\.0\.0\.1:53.*Too many open files/,
  );
  stop.abort();
  listener.close();
  await done;
});
