import { nameOf, replyTo } from "./messages.ts";

/** The replies of a server to a message. */
export type Answers = (request: Uint8Array, transport: "udp" | "tcp") => readonly Uint8Array<ArrayBuffer>[];

/** Answers for all names but those with `silent`. */
export function replyUnlessSilent(request: Uint8Array): Uint8Array<ArrayBuffer>[] {
  const isSilent = nameOf(request).includes("silent");
  return isSilent ? [] : [replyTo(request, { addresses: ["192.0.2.1"] })];
}

/** A DNS server on a loopback port, a free one unless it is given; `delayMs` delays UDP replies. */
export class FakeUpstream implements AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** The received requests, with the port of the sender. */
  readonly requests: { bytes: Uint8Array; transport: "udp" | "tcp"; port: number }[] = [];
  readonly #udp: Deno.DatagramConn;
  readonly #tcp: Deno.Listener;
  readonly #answers: Answers;
  readonly #delayMs: number | undefined;
  readonly #later = new Set<ReturnType<typeof setTimeout>>();
  readonly #tasks: Promise<void>[];

  constructor(
    answers: Answers = (request) => [replyTo(request, { addresses: ["192.0.2.1"] })],
    options: { readonly address?: string; readonly port?: number; readonly delayMs?: number } = {},
  ) {
    const { address = "127.0.0.1", port = 0, delayMs } = options;
    this.#delayMs = delayMs;
    this.#answers = answers;
    this.address = address;
    [this.#tcp, this.#udp] = listenBoth(address, port);
    this.port = (this.#tcp.addr as Deno.NetAddr).port;
    this.#tasks = [this.#serveUdp(), this.#serveTcp()];
  }

  async #serveUdp(): Promise<void> {
    for await (const [bytes, peer] of this.#udp) {
      this.requests.push({ bytes, transport: "udp", port: (peer as Deno.NetAddr).port });
      for (const answer of this.#answers(bytes, "udp")) {
        if (this.#delayMs === undefined) await this.#udp.send(answer, peer);
        else this.#later.add(setTimeout(() => void this.#udp.send(answer, peer), this.#delayMs));
      }
    }
  }

  async #serveTcp(): Promise<void> {
    for await (const conn of this.#tcp) {
      const buffer = new Uint8Array(4096);
      const count = await conn.read(buffer) ?? 0;
      const bytes = buffer.slice(2, count);
      this.requests.push({ bytes, transport: "tcp", port: (conn.remoteAddr as Deno.NetAddr).port });
      for (const answer of this.#answers(bytes, "tcp")) {
        await conn.write(new Uint8Array([answer.length >> 8, answer.length & 255, ...answer]));
      }
      conn.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#later) clearTimeout(timer);
    this.#udp.close();
    this.#tcp.close();
    await Promise.all(this.#tasks);
  }
}

/** Listens on one port by TCP and UDP. A port that is free by TCP can be in use by UDP. */
function listenBoth(hostname: string, port: number): [Deno.Listener, Deno.DatagramConn] {
  for (let attempt = 1;; attempt++) {
    const tcp = Deno.listen({ hostname, port });
    try {
      const { port } = tcp.addr as Deno.NetAddr;
      return [tcp, Deno.listenDatagram({ transport: "udp", hostname, port })];
    } catch (error) {
      tcp.close();
      if (port !== 0 || attempt === 20) throw error;
    }
  }
}
