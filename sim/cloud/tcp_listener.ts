import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** A listener on 127.0.0.1 that can be closed and opened again on the same port. */
export class TcpListener implements AsyncDisposable {
  readonly #onConnection: (socket: Socket) => Promise<void>;
  readonly #sockets = new Set<Socket>();
  readonly #running = new Set<Promise<void>>();
  readonly #idleWaiters = new Set<() => void>();
  #server: Server | undefined;
  #port = 0;

  /** @param onConnection Serves a socket, which is destroyed afterwards. */
  constructor(onConnection: (socket: Socket) => Promise<void>) {
    this.#onConnection = onConnection;
  }

  /** The TCP port, once the listener is open. */
  get port(): number {
    return this.#port;
  }

  /** The number of open connections. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Starts to listen. Port 0 takes a free one; later calls take the same one again. */
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

  /** Closes the port; open connections stay. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    // The port is free at once, but the callback waits for the last connection.
    server.close();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Resets every open connection. */
  resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Waits until no connection is open. */
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
    // An error event without a listener would end the process. The handler gets the error at its
    // next read.
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
