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
import { HEADER_BYTES, type Query, TYPE } from "./query.ts";
import { lowerCase, randomizeCase } from "./question_case.ts";
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
  readonly #cases = new CaseMemory();
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

  #join(request: Request): Exchange {
    const key = String.fromCharCode(...request.bytes.subarray(2));
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

  async #exchange(request: Request, stop: AbortSignal): Promise<Uint8Array | undefined> {
    const { isOwn, totalMs = 5000 } = this.#options;
    const servers = this.servers.filter(({ address, port }) => !isOwn(listenerKey(address, port)));
    if (servers.length === 0) return undefined;
    using limit = limitTime(totalMs, { signal: stop });
    const { signal } = limit;
    const result = await this.#exchangeUdp(request, { servers, signal });
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
    const cases = { ignoresCase: () => true, note: () => {} };
    const again = await this.#exchangeUdp(request, { servers: [server], signal, cases });
    if (again !== undefined) this.#cases.note(server, false);
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
    try {
      return await exchangeTcp(request, { connectTcp: this.#options.connectTcp, ...options });
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

/**
 * Returns the message to send for a query, in lower case, so that clients share it; its id is 0
 * until it is sent.
 */
function toRequest({ bytes, questionEnd, edns }: Query): Request {
  const request = new Uint8Array(questionEnd + (edns === undefined ? 0 : 11));
  request.set(bytes.subarray(0, questionEnd));
  lowerCase(request, questionEnd);
  request.set([0, 0, bytes[2]! & RD, bytes[3]! & AD_CD, 0, 1, 0, 0, 0, 0, 0, edns === undefined ? 0 : 1]);
  if (edns !== undefined) {
    const size = [MAX_UDP_BYTES >> 8, MAX_UDP_BYTES & 255];
    request.set([0, 0, TYPE.OPT, ...size, 0, 0, edns.dnssecOk ? 0x80 : 0, 0, 0, 0], questionEnd);
  }
  return { bytes: request, questionEnd };
}
