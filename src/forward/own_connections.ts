import { closeQuietly } from "../system/byte_stream.ts";
import { limitTime } from "../system/clock.ts";
import type { OwnConnection } from "../system/connect_reserved.ts";
import type { AcceptedStream, TcpAddress } from "../system/tcp.ts";

const CHECK_MS = 2000;

/** ngrokd's own connections, which show where an address and port lead to. */
export class OwnConnections {
  /** The checks that run, by the key of the listener where each should end. */
  readonly #running = new Map<string, Set<Check>>();

  /**
   * Connects to an address and returns true if the connection ends at the listener with this key.
   * The listener recognises it by its source. Never rejects.
   */
  async endsAt(key: string, { target, connect, limitMs = CHECK_MS }: EndsAtOptions): Promise<boolean> {
    const source = Promise.withResolvers<string | undefined>();
    const arrival = Promise.withResolvers<boolean>();
    const check: Check = { source: source.promise, arrive: () => arrival.resolve(true) };
    const checks = this.#running.get(key) ?? new Set();
    this.#running.set(key, checks.add(check));
    using limit = limitTime(limitMs);
    limit.signal.addEventListener("abort", () => arrival.resolve(false), { once: true });
    let stream: OwnConnection | undefined;
    try {
      stream = await connect(target, limit.signal);
      source.resolve(stream.source);
      return await arrival.promise;
    } catch {
      return false;
    } finally {
      source.resolve(undefined);
      if (stream !== undefined) closeQuietly(stream);
      checks.delete(check);
      if (checks.size === 0) this.#running.delete(key);
    }
  }

  /**
   * Returns undefined if no check runs at this listener. Otherwise waits until the sources of the
   * checks are known, and returns true if the connection is one of them.
   */
  claim(key: string, stream: AcceptedStream): Promise<boolean> | undefined {
    const checks = this.#running.get(key);
    return checks === undefined ? undefined : this.#isOwn([...checks], stream);
  }

  async #isOwn(checks: readonly Check[], { source }: AcceptedStream): Promise<boolean> {
    for (const check of checks) {
      if (source === undefined || await check.source !== source) continue;
      check.arrive();
      return true;
    }
    return false;
  }
}

/** The target of a check. */
export interface EndsAtOptions {
  readonly target: TcpAddress;
  readonly connect: (where: TcpAddress, signal: AbortSignal) => Promise<OwnConnection>;
  /** @default {2000} */
  readonly limitMs?: number;
}

interface Check {
  /** `address:port` of the connection; undefined if it failed. */
  readonly source: Promise<string | undefined>;
  readonly arrive: () => void;
}
