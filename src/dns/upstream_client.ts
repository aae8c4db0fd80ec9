import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { listenerKey } from "../model/route_table.ts";
import type { ByteStream } from "../system/byte_stream.ts";
import { limitTime } from "../system/clock.ts";
import type { TcpAddress } from "../system/tcp.ts";
import type { UdpSocket } from "../system/udp.ts";
import { exchangeTcp, exchangeUdp, isTruncated } from "./exchange.ts";
import { type ForwardClient, type ForwardSlot, ForwardSlots } from "./forward_slots.ts";
import { type Query, TYPE } from "./query.ts";
import { MAX_UDP_BYTES } from "./reply.ts";

const log = getLogger(["ngrokd", "dns"]);

/** Forwards queries to the upstream DNS servers. */
export class UpstreamClient implements Disposable {
  /** The servers in order of preference; may be replaced at any time. */
  servers: readonly TcpAddress[] = [];
  readonly #options: UpstreamClientOptions;
  /**
   * The exchanges by question. Clients with the same question at the same time share one exchange
   * (RFC 5452 5), which also stops a loop of forwarders.
   */
  readonly #running = new Map<string, Exchange>();
  readonly #slots = new ForwardSlots();
  #disposed = false;

  constructor(options: UpstreamClientOptions) {
    this.#options = options;
  }

  /**
   * Returns the reply to a query, with the id of the query; undefined if there is no slot for it.
   * The promise is undefined if no server answers in time, the client stops waiting, or another
   * query takes the slot. It never rejects. An exchange without waiting clients ends.
   *
   * The request has the question, the flags RD, AD and CD, and an EDNS record of our own if the
   * client sent one, without the options of the client.
   */
  query(query: Query, client: QueryClient): Promise<Uint8Array | undefined> | undefined {
    if (this.#disposed || client.signal?.aborted) return undefined;
    const slot = this.#slots.take(client);
    return slot === undefined ? undefined : this.#forward(query, { slot, signal: client.signal });
  }

  async #forward(
    query: Query,
    options: { readonly slot: ForwardSlot; readonly signal: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined> {
    const { signal } = options;
    using slot = options.slot;
    const exchange = this.#join(toRequest(query));
    const gone = Promise.withResolvers<undefined>();
    const leave = () => gone.resolve(undefined);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      const reply = (await Promise.race([exchange.reply, gone.promise, slot.lost]))?.slice();
      reply?.set(query.bytes.subarray(0, 2));
      return reply;
    } catch (error) {
      log.debug("Cannot query the upstream DNS server: {error}", { error: messageOf(error) });
      return undefined;
    } finally {
      signal?.removeEventListener("abort", leave);
      this.#leave(exchange);
    }
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
      log.debug("Cannot query the upstream DNS server by TCP: {error}", { error: messageOf(error) });
      return result.reply;
    }
  }

  /** Ends every exchange; waiting clients get no reply. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const { stop } of this.#running.values()) stop.abort();
  }
}

/** Options of {@linkcode UpstreamClient}. */
export interface UpstreamClientOptions {
  readonly listenUdp: (where: TcpAddress) => UdpSocket;
  readonly connectTcp: (where: TcpAddress, signal: AbortSignal) => Promise<ByteStream>;
  /** Returns true for an `address:port` of our own DNS server, which is never queried. */
  readonly isOwn: (key: string) => boolean;
  /** The time limit of one query. @default {5000} */
  readonly totalMs?: number;
  /** The pause before the next server is queried too. @default {1500} */
  readonly nextMs?: number;
}

/** The client of a query. */
export interface QueryClient extends ForwardClient {
  /** Aborted when the client stops waiting. */
  readonly signal?: AbortSignal | undefined;
}

/** An exchange for one question with the upstream DNS servers. */
interface Exchange {
  readonly key: string;
  readonly reply: Promise<Uint8Array | undefined>;
  readonly stop: AbortController;
  clients: number;
}

const RD = 0x01;
const AD_CD = 0x30;

/** Returns the message to send for a query; its id is 0 until it is sent. */
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
