import type { AcceptedStream, TcpListener } from "../../src/system/tcp.ts";
import type { UdpPeer, UdpSocket } from "../../src/system/udp.ts";

/** A UDP socket whose datagrams and errors a test provides. */
export class FakeUdp implements UdpSocket {
  readonly key: string;
  readonly port: number;
  readonly sent: { data: Uint8Array; peer: UdpPeer }[] = [];
  receives = 0;
  closed = false;
  /** Called at each send; may throw. */
  onSend: (data: Uint8Array, peer: UdpPeer) => void = () => {};
  readonly #queue: ([Uint8Array, UdpPeer] | Error)[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(where: { address: string; port: number } = { address: "127.0.0.1", port: 53 }) {
    this.key = `${where.address}:${where.port}`;
    this.port = where.port;
  }

  /** Delivers a datagram. */
  deliver(data: Uint8Array, hostname: string, port = 40_000): void {
    this.#push([data, { hostname, port }]);
  }

  /** Makes a receive fail. */
  fail(error: Error): void {
    this.#push(error);
  }

  #push(thing: [Uint8Array, UdpPeer] | Error): void {
    this.#queue.push(thing);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async receive(buffer: Uint8Array): Promise<[Uint8Array, UdpPeer]> {
    this.receives++;
    while (this.#queue.length === 0) await this.#wake.promise;
    const next = this.#queue.shift()!;
    if (next instanceof Error) throw next;
    const data = next[0].subarray(0, buffer.length);
    buffer.set(data);
    return [buffer.subarray(0, data.length), next[1]];
  }

  async send(data: Uint8Array, peer: UdpPeer): Promise<number> {
    await Promise.resolve();
    this.onSend(data, peer);
    this.sent.push({ data: data.slice(), peer });
    return data.length;
  }

  close(): void {
    this.closed = true;
    this.fail(new Deno.errors.BadResource("closed"));
  }
}

/** A TCP listener to which nobody connects. */
export function idleListener(where = { address: "127.0.0.1", port: 53 }): TcpListener {
  const closed = Promise.withResolvers<AcceptedStream>();
  return {
    key: `${where.address}:${where.port}`,
    port: where.port,
    accept: () => closed.promise,
    close: () => closed.reject(new Deno.errors.BadResource("closed")),
  };
}
