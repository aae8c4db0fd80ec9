import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { listenerKey } from "../model/route_table.ts";
import type { ByteStream } from "../system/byte_stream.ts";
import { limitTime } from "../system/clock.ts";
import type { TcpAddress } from "../system/tcp.ts";
import type { UdpSocket } from "../system/udp.ts";
import { CaseMemory } from "./case_memory.ts";
import {
  exchangeTcp,
  exchangeUdp,
  isTruncated,
  type Request,
  type ServerReply,
  type TcpExchangeOptions,
  type UdpExchangeOptions,
} from "./exchange.ts";
import { type ForwardClient, type ForwardSlot, ForwardSlots } from "./forward_slots.ts";
import { makeRequest } from "./make_request.ts";
import { HEADER_BYTES, type Query } from "./query.ts";
import { randomizeCase } from "./question_case.ts";

const log = getLogger(["ngrokd", "dns"]);

/** The pause before the second server is queried while a flood shortens the life of a slot. */
const URGENT_MS = 200;
/** A reply up to this size costs less than its query. */
const SHORT_REPLY_BYTES = 512;
/** As many as there are slots. */
const MAX_IN_TURN = 1024;

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
  readonly #cases = new CaseMemory();
  /** The number of replies that wait for a turn. */
  #inTurn = 0;
  #disposed = false;

  constructor(options: UpstreamClientOptions) {
    this.#options = options;
  }

  /**
   * Returns the reply to a query, with its id and question; undefined if it gets no slot.
   * The promise is undefined if no server answers in time, the client stops waiting, or another
   * query takes the slot. It never rejects. An exchange without waiting clients ends.
   *
   * The request has the question in random case, the flags RD, AD and CD, and an EDNS record of our
   * own if the client sent one, without the options of the client.
   */
  query(query: Query, client: QueryClient): Promise<Uint8Array | undefined> | undefined {
    if (this.#disposed || client.signal?.aborted) return undefined;
    const slot = this.#slots.take(client);
    return slot === undefined ? undefined : this.#forward(query, { slot, client });
  }

  async #forward(
    query: Query,
    options: { readonly slot: ForwardSlot; readonly client: QueryClient },
  ): Promise<Uint8Array | undefined> {
    const { client } = options;
    const { signal } = client;
    using slot = options.slot;
    const exchange = this.#join(makeRequest(query), { isUrgent: this.#slots.isShort(client) });
    const gone = Promise.withResolvers<undefined>();
    const leave = () => gone.resolve(undefined);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      const ends = [gone.promise, slot.lost];
      const received = await Promise.race([exchange.reply, ...ends]);
      const turn = received && this.#waitForTurn(received, client.holder);
      const reply = (await Promise.race([turn, ...ends]))?.slice();
      reply?.set(query.bytes.subarray(0, 2));
      // Clients too may compare the case of the question.
      reply?.set(query.bytes.subarray(HEADER_BYTES, query.questionEnd), HEADER_BYTES);
      return reply;
    } catch (error) {
      log.debug("Cannot query the upstream DNS server: {error}", { error: messageOf(error) });
      return undefined;
    } finally {
      signal?.removeEventListener("abort", leave);
      this.#leave(exchange);
    }
  }

  /**
   * Returns a reply; a long one, which costs much to filter, in the next turn of its client. Its
   * slot is held until then. Undefined if too many wait for a turn.
   */
  async #waitForTurn(reply: Uint8Array, holder: unknown): Promise<Uint8Array | undefined> {
    const { takeTurn } = this.#options;
    if (takeTurn === undefined || reply.length <= SHORT_REPLY_BYTES) return reply;
    // A slot that is lost frees no place here, so that a flood cannot make the queue grow.
    if (this.#inTurn >= MAX_IN_TURN) return undefined;
    this.#inTurn++;
    await takeTurn(holder);
    this.#inTurn--;
    return reply;
  }

  #join(request: Request, options: ExchangeOptions): Exchange {
    const key = String.fromCharCode(...request.bytes.subarray(2));
    let exchange = this.#running.get(key);
    if (exchange === undefined) {
      const stop = new AbortController();
      exchange = { key, stop, reply: this.#exchange(request, { ...options, stop: stop.signal }), clients: 0 };
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

  async #exchange(
    request: Request,
    options: ExchangeOptions & { readonly stop: AbortSignal },
  ): Promise<Uint8Array | undefined> {
    const { isUrgent, stop } = options;
    const { isOwn, totalMs = 5000 } = this.#options;
    const servers = this.servers.filter(({ address, port }) => !isOwn(listenerKey(address, port)));
    if (servers.length === 0) return undefined;
    using limit = limitTime(totalMs, { signal: stop });
    const { signal } = limit;
    // To ask the only server again would help no more than to wait.
    const hurry = isUrgent && servers.length > 1 ? { firstMs: URGENT_MS } : {};
    const result = await this.#exchangeUdp(request, { servers, signal, ...hurry });
    if (result === undefined || !(result.isOtherCase || isTruncated(result.reply))) return result?.reply;
    const { server } = result;
    const byTcp = await this.#exchangeTcp(request, { server, signal });
    if (byTcp !== undefined) {
      // By TCP the server itself has changed the case; before that it could have been an attacker.
      if (byTcp.isOtherCase) this.#cases.remember(server);
      return byTcp.reply;
    }
    if (!result.isOtherCase) return result.reply;
    // Without TCP the server is asked once more, with another id and port.
    const cases = { ignoresCase: () => true, noteKept: () => {} };
    const again = await this.#exchangeUdp(request, { servers: [server], signal, cases });
    if (again !== undefined) this.#cases.noteLost(server);
    return again?.reply;
  }

  #exchangeUdp(
    request: Request,
    options: Pick<UdpExchangeOptions, "servers" | "signal"> & Partial<UdpExchangeOptions>,
  ): Promise<ServerReply | undefined> {
    const { listenUdp, nextMs = 1500 } = this.#options;
    crypto.getRandomValues(request.bytes.subarray(0, 2));
    randomizeCase(request.bytes, request.questionEnd);
    return exchangeUdp(request, { listenUdp, nextMs, cases: this.#cases, ...options });
  }

  async #exchangeTcp(
    request: Request,
    options: Pick<TcpExchangeOptions, "server" | "signal">,
  ): Promise<ServerReply | undefined> {
    const { connectTcp, nextMs = 1500 } = this.#options;
    // A firewall may drop TCP in silence, and the time for another try by UDP must be left.
    using limit = limitTime(nextMs, { signal: options.signal });
    try {
      return await exchangeTcp(request, { ...options, connectTcp, signal: limit.signal });
    } catch (error) {
      log.debug("Cannot query the upstream DNS server by TCP: {error}", { error: messageOf(error) });
      return undefined;
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
  /**
   * Waits for a turn of the event loop, which clients get in order. Without it, nobody waits.
   *
   * @default {undefined}
   */
  readonly takeTurn?: (holder: unknown) => Promise<void>;
  /** The time limit of one query. @default {5000} */
  readonly totalMs?: number;
  /**
   * The pause before the next server is queried too, and the time limit of a query by TCP.
   *
   * @default {1500}
   */
  readonly nextMs?: number;
}

/** The client of a query. */
export interface QueryClient extends ForwardClient {
  /** Aborted when the client stops waiting. */
  readonly signal?: AbortSignal | undefined;
}

interface ExchangeOptions {
  /** True if the client may lose its slot soon. */
  readonly isUrgent: boolean;
}

/** An exchange for one question with the upstream DNS servers. */
interface Exchange {
  readonly key: string;
  readonly reply: Promise<Uint8Array | undefined>;
  readonly stop: AbortController;
  clients: number;
}
