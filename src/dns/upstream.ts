import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { listenerKey } from "../model/route_table.ts";
import { limitTime } from "../system/clock.ts";
import type { ByteStream, TcpAddress } from "../system/net.ts";
import type { UdpSocket } from "../system/udp.ts";
import { exchangeTcp, exchangeUdp, isTruncated } from "./exchange.ts";
import { type Query, TYPE } from "./query.ts";
import { MAX_UDP_BYTES } from "./reply.ts";

const log = getLogger(["ngrokd", "dns"]);

/** What forwarding needs from outside. */
export interface UpstreamOptions {
  readonly listenUdp: (where: TcpAddress) => UdpSocket;
  readonly connectTcp: (where: TcpAddress, signal: AbortSignal) => Promise<ByteStream>;
  /** Whether this address and port is one that we ourselves answer on: never asked. */
  readonly isOwn: (key: string) => boolean;
  /** For one query, whatever happens. @default {5000} */
  readonly totalMs?: number;
  /** After how long the next server is asked too. @default {1500} */
  readonly nextMs?: number;
  /** How many clients may wait at once. @default {1024} */
  readonly maxWaiting?: number;
  /** How many of them may be others than this machine. @default {768} */
  readonly maxOthers?: number;
  /** How many may be of one such address. @default {64} */
  readonly maxPerSource?: number;
}

/** Who asks. */
export interface AskOptions {
  /** The address of a client that is not this machine. */
  readonly source?: string | undefined;
  /** Aborted when the client does not wait any more. */
  readonly signal?: AbortSignal | undefined;
}

/** One question that is being asked. */
interface Exchange {
  readonly key: string;
  readonly reply: Promise<Uint8Array | undefined>;
  readonly stop: AbortController;
  clients: number;
}

/** Asks other servers for the names that are not ours. */
export class Upstream implements Disposable {
  /** In order of preference; replaced at any time. */
  servers: readonly TcpAddress[] = [];
  readonly #options: UpstreamOptions;
  /** By question: many clients that ask the same at once are one exchange (RFC 5452 5), and a loop of forwarders runs dry in it. */
  readonly #running = new Map<string, Exchange>();
  /** How many clients wait that are not this machine, by address. */
  readonly #sources = new Map<string, number>();
  #waiting = 0;
  #others = 0;
  #isOver = false;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** How many clients wait now. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * The reply to a query, with the query's id; undefined if no server answers in time, the client does not wait that long, or
   * too many clients wait already. What nobody waits for is not asked any further. Never rejects.
   *
   * Sent are the question, the flags RD, AD and CD, and an EDNS record of our own if the client has one: none of its options.
   */
  async ask(query: Query, options: AskOptions = {}): Promise<Uint8Array | undefined> {
    const { source, signal } = options;
    if (this.#isOver || signal?.aborted || !this.#hasPlace(source)) return undefined;
    this.#count(source, 1);
    const exchange = this.#join(toRequest(query));
    const gone = Promise.withResolvers<undefined>();
    const leave = () => gone.resolve(undefined);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      const reply = (await Promise.race([exchange.reply, gone.promise]))?.slice();
      reply?.set(query.bytes.subarray(0, 2));
      return reply;
    } catch (error) {
      log.debug("Cannot ask another DNS server: {reason}", { reason: messageOf(error) });
      return undefined;
    } finally {
      signal?.removeEventListener("abort", leave);
      this.#leave(exchange);
      this.#count(source, -1);
    }
  }

  #hasPlace(source: string | undefined): boolean {
    const { maxWaiting = 1024, maxOthers = 768, maxPerSource = 64 } = this.#options;
    if (this.#waiting >= maxWaiting) return false;
    if (source === undefined) return true;
    return this.#others < maxOthers && (this.#sources.get(source) ?? 0) < maxPerSource;
  }

  #count(source: string | undefined, change: 1 | -1): void {
    this.#waiting += change;
    if (source === undefined) return;
    this.#others += change;
    const count = (this.#sources.get(source) ?? 0) + change;
    if (count === 0) this.#sources.delete(source);
    else this.#sources.set(source, count);
  }

  #join(request: Uint8Array): Exchange {
    const key = String.fromCharCode(...request.subarray(2));
    let exchange = this.#running.get(key);
    if (exchange === undefined) {
      const stop = new AbortController();
      exchange = { key, stop, reply: this.#exchange(request, stop.signal), clients: 0 };
      this.#running.set(key, exchange);
    }
    exchange.clients++;
    return exchange;
  }

  /** The last one out ends it: all of them at once when the reply is there. */
  #leave(exchange: Exchange): void {
    if (--exchange.clients > 0) return;
    this.#running.delete(exchange.key);
    exchange.stop.abort();
  }

  async #exchange(request: Uint8Array, stop: AbortSignal): Promise<Uint8Array | undefined> {
    const { listenUdp, connectTcp, isOwn, totalMs = 5000, nextMs = 1500 } = this.#options;
    const servers = this.servers.filter(({ address, port }) => !isOwn(listenerKey(address, port)));
    if (servers.length === 0) return undefined;
    crypto.getRandomValues(request.subarray(0, 2));
    using limit = limitTime(totalMs, { signal: stop });
    const { signal } = limit;
    const result = await exchangeUdp(request, { servers, listenUdp, nextMs, signal });
    if (result === undefined || !isTruncated(result.reply)) return result?.reply;
    const { server } = result;
    try {
      return await exchangeTcp(request, { server, connectTcp, signal }) ?? result.reply;
    } catch (error) {
      log.debug("Cannot ask another DNS server by TCP: {reason}", { reason: messageOf(error) });
      return result.reply;
    }
  }

  /** Ends every exchange; whoever waits gets nothing. */
  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const { stop } of this.#running.values()) stop.abort();
  }
}

const RD = 0x01;
const AD_CD = 0x30;

/** The message that is sent for a query; its id is still 0. */
function toRequest(query: Query): Uint8Array {
  const { bytes, questionEnd, edns } = query;
  const request = new Uint8Array(questionEnd + (edns === undefined ? 0 : 11));
  request.set(bytes.subarray(0, questionEnd));
  request.set([0, 0, bytes[2]! & RD, bytes[3]! & AD_CD, 0, 1, 0, 0, 0, 0, 0, edns === undefined ? 0 : 1]);
  if (edns !== undefined) {
    const size = [MAX_UDP_BYTES >> 8, MAX_UDP_BYTES & 255];
    request.set([0, 0, TYPE.OPT, ...size, 0, 0, edns.dnssecOk ? 0x80 : 0, 0, 0, 0], questionEnd);
  }
  return request;
}
