import { closeQuietly, readFull, writeAll } from "../../src/system/byte_stream.ts";
import { connectTcp } from "../../src/system/tcp.ts";
import { listenUdp } from "../../src/system/udp.ts";

/**
 * Sends one datagram from a new socket and returns the reply. Rejects if none comes in time, or if
 * it is from another address.
 */
export async function askUdp(
  bytes: Uint8Array,
  options: { port: number; server?: string; from?: string; timeoutMs?: number },
): Promise<Uint8Array> {
  const { port, server = "127.0.0.1", from = "127.0.0.1", timeoutMs = 5000 } = options;
  const socket = listenUdp({ address: from, port: 0 });
  const timer = setTimeout(() => socket.close(), timeoutMs);
  try {
    await socket.send(bytes, { hostname: server, port });
    const [reply, peer] = await socket.receive(new Uint8Array(65_536));
    if (peer.hostname !== server || peer.port !== port) {
      throw new Error(`A reply from ${peer.hostname}:${peer.port}`);
    }
    return reply;
  } finally {
    clearTimeout(timer);
    closeQuietly(socket);
  }
}

/** A DNS client on one TCP connection. */
export class TcpClient implements Disposable {
  readonly #stream: Deno.Conn;

  constructor(stream: Deno.Conn) {
    this.#stream = stream;
  }

  static async connect(port: number, hostname = "127.0.0.1"): Promise<TcpClient> {
    return new TcpClient(
      await connectTcp({ address: hostname, port }, new AbortController().signal) as Deno.Conn,
    );
  }

  /** Sends raw octets. */
  async send(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#stream, bytes);
  }

  /** Sends messages in one write. */
  async ask(...messages: readonly Uint8Array[]): Promise<void> {
    await this.send(
      new Uint8Array(messages.flatMap((message) => [message.length >> 8, message.length & 255, ...message])),
    );
  }

  /** Closes the sending side. */
  async end(): Promise<void> {
    await this.#stream.closeWrite();
  }

  /** The next message; undefined when the server has closed. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      const length = new Uint8Array(2);
      if (!await readFull(this.#stream, length)) return undefined;
      const message = new Uint8Array(length[0]! << 8 | length[1]!);
      return await readFull(this.#stream, message) ? message : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) return undefined;
      throw error;
    }
  }

  /** Sends one query and returns its reply. */
  async exchange(message: Uint8Array): Promise<Uint8Array | undefined> {
    await this.ask(message);
    return await this.next();
  }

  [Symbol.dispose](): void {
    this.#stream.close();
  }
}
