import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** Listens on loopback, knows its open connections, can be closed and opened again on the same port. */
export class TcpListener implements AsyncDisposable {
  readonly #onConnection: (socket: Socket) => Promise<void>;
  readonly #sockets = new Set<Socket>();
  readonly #running = new Set<Promise<void>>();
  readonly #idleWaiters = new Set<() => void>();
  #server: Server | undefined;
  #port = 0;

  /** @param onConnection Owns the socket; when it settles, the socket is destroyed. */
  constructor(onConnection: (socket: Socket) => Promise<void>) {
    this.#onConnection = onConnection;
  }

  /** The TCP port, once open. */
  get port(): number {
    return this.#port;
  }

  /** The number of connections now open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Starts to listen on 127.0.0.1; port 0 takes a free one, later calls take the same one again. */
  async open(port = this.#port): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", 1024, resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Refuses new connections; those that are open stay. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    // The callback comes only after the last connection has ended; the port is free at once.
    server.close();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Drops every open connection with a reset. */
  resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Fulfils when no connection is open. */
  async idle(): Promise<void> {
    while (this.#sockets.size > 0) await new Promise<void>((resolve) => this.#idleWaiters.add(resolve));
  }

  /** Closes the port and every connection, and waits for their handlers. */
  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) =>
      server === undefined ? resolve() : server.close(() => resolve())
    );
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([closed, this.idle(), ...this.#running]);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    // Without a listener an error event would end the process; the handler sees the error at its next read.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size > 0) return;
      for (const wake of this.#idleWaiters) wake();
      this.#idleWaiters.clear();
    });
    const running = this.#onConnection(socket).catch(() => {}).finally(() => {
      socket.destroy();
      this.#running.delete(running);
    });
    this.#running.add(running);
  }
}
