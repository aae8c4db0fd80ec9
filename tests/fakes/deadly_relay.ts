import type { AcceptedStream } from "../../src/system/tcp.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { copyStream } from "./memory_stream.ts";

/** A relay in front of a port of 127.0.0.1, which can let its connections die. */
export class DeadlyRelay implements AsyncDisposable {
  readonly #listener = listenTcp({ address: "127.0.0.1", port: 0 });
  readonly #open = new Set<{ near: AcceptedStream; far: Deno.TcpConn }>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #accepting: Promise<void>;

  constructor(to: () => number) {
    this.#accepting = this.#accept(to);
  }

  get port(): number {
    return this.#listener.port;
  }

  /** Ends all connections in this way, without the end that TLS demands. */
  async kill(how: (near: AcceptedStream) => unknown): Promise<void> {
    for (const ends of [...this.#open]) {
      this.#open.delete(ends);
      await how(ends.near);
      ends.far.close();
    }
    await Promise.all(this.#running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    await this.kill((near) => near.close());
  }

  async #accept(to: () => number): Promise<void> {
    for (;;) {
      const near = await this.#listener.accept().catch(() => undefined);
      if (near === undefined) return;
      const far = await Deno.connect({ hostname: "127.0.0.1", port: to() });
      const ends = { near, far };
      this.#open.add(ends);
      const copying = Promise.allSettled([copyStream(near, far), copyStream(far, near)]).then(() => {
        this.#running.delete(copying);
        if (!this.#open.delete(ends)) return;
        near.close();
        far.close();
      });
      this.#running.add(copying);
    }
  }
}
