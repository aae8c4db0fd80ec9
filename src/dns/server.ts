import { getLogger } from "@logtape/logtape";
import { BindError } from "../model/errors.ts";
import { listenerKey } from "../model/route_table.ts";
import { type ByteStream, closeQuietly } from "../system/byte_stream.ts";
import type { TcpAddress, TcpListener } from "../system/tcp.ts";
import { Turns } from "../system/turns.ts";
import type { UdpPeer, UdpSocket } from "../system/udp.ts";
import { answerOwnName } from "./answer_own_name.ts";
import { replyTo } from "./reply_to.ts";
import { type DroppedRecord, filterReply } from "./filter_reply.ts";
import { HEADER_BYTES, type Query, readQuery } from "./query.ts";
import { RateLimit } from "./rate_limit.ts";
import {
  fitReply,
  makeReply,
  RCODE,
  type ReplyParts,
  TOO_MANY_QUERIES,
  UPSTREAM_MALFORMED,
  UPSTREAM_SILENT,
} from "./reply.ts";
import { TcpServer, type TcpServerLimits } from "./tcp_server.ts";
import { serveUdp, type UdpDecision } from "./udp_server.ts";
import { UpstreamClient } from "./upstream_client.ts";
import { addressRecord, Zone } from "./zone.ts";

const log = getLogger(["ngrokd", "dns"]);

/**
 * The DNS server. It has a UDP socket and a TCP listener for each local address, because a UDP
 * reply must come from the address that received the query.
 */
export class DnsServer implements AsyncDisposable {
  readonly #options: DnsServerOptions;
  readonly #open = new Map<string, OpenAddress>();
  readonly #own = new Set<string>();
  readonly #tcp: TcpServer;
  readonly #rate = new RateLimit();
  readonly #refusals = new RateLimit();
  readonly #upstream: UpstreamClient;
  #zone = Zone.EMPTY;
  #others = Zone.EMPTY;

  constructor(options: DnsServerOptions) {
    const { listenUdp, connectTcp, limits } = options;
    this.#options = options;
    // Long replies and TCP connections take turns, so that one turn has one piece of either.
    const turns = new Turns();
    this.#tcp = new TcpServer({ ...limits, turns });
    this.#upstream = new UpstreamClient({
      listenUdp,
      connectTcp,
      isOwn: (key) => this.#own.has(key),
      takeTurn: (holder) => turns.take(holder),
    });
  }

  /**
   * Replaces all names at once. `others` has the names for clients that are not local.
   *
   * @default {zone}
   */
  replaceZone(zone: Zone, options: { readonly others?: Zone } = {}): void {
    const { others = zone } = options;
    this.#zone = zone;
    this.#others = others;
  }

  /** Replaces the upstream DNS servers, in order. Without any, other names are SERVFAIL. */
  replaceUpstreams(servers: readonly TcpAddress[]): void {
    this.#upstream.servers = servers;
  }

  /** Closes all other addresses and binds the missing ones, so that it retries failed ones. */
  rebind(addresses: readonly TcpAddress[]): DnsBinding[] {
    const wanted = new Set(addresses.map(({ address, port }) => listenerKey(address, port)));
    for (const key of [...this.#open.keys()]) if (!wanted.has(key)) this.#close(key);
    return addresses.map((where) => {
      try {
        return this.#bind(where);
      } catch (error) {
        if (!(error instanceof BindError)) throw error;
        return { ...where, problem: error };
      }
    });
  }

  #bind(where: TcpAddress): DnsBinding {
    const wantedKey = listenerKey(where.address, where.port);
    const present = this.#open.get(wantedKey);
    if (present !== undefined) return present.binding;
    const listener = this.#options.listenTcp(where);
    let socket: UdpSocket;
    try {
      socket = this.#options.listenUdp({ address: where.address, port: listener.port });
    } catch (error) {
      closeQuietly(listener);
      throw error;
    }
    const { key, port } = socket;
    const stop = new AbortController();
    const { signal } = stop;
    const localRecord = addressRecord(where.address);
    const binding = { address: where.address, port };
    const done = Promise.all([
      serveUdp(socket, {
        signal,
        judge: (peer) => this.#judge(peer),
        respond: (message, { hostname: address, port }) =>
          this.#respond(message, { localRecord, address, port }),
        truncate: (message) => emptyReply(message, { rcode: RCODE.NOERROR, truncated: true }),
        refuse: (message) => emptyReply(message, { rcode: RCODE.REFUSED }),
      }),
      this.#tcp.serve(listener, {
        signal,
        admits: this.#options.allows,
        respond: (message, client) => this.#respond(message, { localRecord, ...client }),
      }),
    ]);
    this.#own.add(key);
    this.#open.set(wantedKey, {
      binding,
      key,
      done,
      close() {
        stop.abort();
        closeQuietly(socket);
        closeQuietly(listener);
      },
    });
    log.info("Answering DNS queries on {address}", { address: key });
    return binding;
  }

  #close(wantedKey: string): void {
    const entry = this.#open.get(wantedKey);
    if (entry === undefined) return;
    this.#open.delete(wantedKey);
    this.#own.delete(entry.key);
    entry.close();
    log.info("No longer answering DNS queries on {address}", { address: entry.key });
  }

  #judge({ hostname: address, port }: UdpPeer): UdpDecision {
    const { allows, isNeighbour = () => false } = this.#options;
    // With a forged sender we would answer ourselves for ever.
    if (this.#own.has(listenerKey(address, port))) return "drop";
    if (!allows(address)) {
      // A container that has a copy of our nameserver line asks its next server at once.
      return isNeighbour(address) && this.#refusals.count(address) === "answer" ? "refuse" : "drop";
    }
    return this.#options.isLocal(address) ? "answer" : this.#rate.count(address);
  }

  #respond(
    message: Uint8Array,
    client: DnsClient,
  ): Uint8Array | Promise<Uint8Array> | undefined {
    const { localRecord, address, signal } = client;
    const recursion = this.#upstream.servers.length > 0;
    const isLocal = this.#options.isLocal(address);
    const zone = isLocal ? this.#zone : this.#others;
    const query = replyTo(message, { zone, localRecord, recursion });
    if (query === undefined || query instanceof Uint8Array) return query;
    const isOurs = query.name !== undefined && zone.has(query.name);
    const isUdp = signal === undefined;
    const fail = (error: Uint8Array) => makeReply(query, { rcode: RCODE.SERVFAIL, recursion, error });
    const holder = isLocal ? signal ?? client.port : address;
    const forwarded = this.#upstream.query(query, { holder, isLocal, isUdp, signal });
    if (forwarded === undefined) {
      log.debug("Cannot forward a DNS query: too many queries at once", {
        client: address,
        name: query.name,
      });
      return fail(TOO_MANY_QUERIES);
    }
    return forwarded.then((received) => {
      if (received === undefined) return fail(UPSTREAM_SILENT);
      const reply = isOurs ? answerOwnName(received, query) : this.#filter(received, { query, zone });
      if (reply === undefined) {
        log.debug("Cannot use the reply of an upstream DNS server: it is malformed or too long", {
          name: query.name,
        });
        return fail(UPSTREAM_MALFORMED);
      }
      return isUdp ? fitReply(reply, query) : reply;
    });
  }

  #filter(
    reply: Uint8Array,
    { query, zone }: { readonly query: Query; readonly zone: Zone },
  ): Uint8Array | undefined {
    const { localAddress, allowsPrivate, onDropped } = this.#options;
    const filtered = filterReply(reply, {
      query,
      isOurs: (name) => zone.has(name),
      hasNamesBelow: (domain) => zone.hasNamesBelow(domain),
      localAddress,
      allowsPrivate: () => query.name !== undefined && allowsPrivate(query.name),
    });
    if (filtered?.dropped !== undefined) onDropped(filtered.dropped);
    return filtered?.reply;
  }

  /** Closes all addresses and connections, and waits for running work. */
  async [Symbol.asyncDispose](): Promise<void> {
    const loops = [...this.#open.values()].map(({ done }) => done);
    for (const key of [...this.#open.keys()]) this.#close(key);
    this.#upstream[Symbol.dispose]();
    await this.#tcp[Symbol.asyncDispose]();
    await Promise.all(loops);
  }
}

/** Returns a reply without records, not longer than the message; undefined for no query. */
function emptyReply(
  message: Uint8Array,
  parts: Pick<ReplyParts, "rcode" | "truncated">,
): Uint8Array | undefined {
  if (message.length < HEADER_BYTES || (message[2]! & 0xf8) !== 0) return undefined;
  const query = readQuery(message);
  return query === undefined ? undefined : makeReply(query, parts);
}

/** Options of {@linkcode DnsServer}. */
export interface DnsServerOptions {
  readonly listenUdp: (where: TcpAddress) => UdpSocket;
  readonly listenTcp: (where: TcpAddress) => TcpListener;
  readonly connectTcp: (where: TcpAddress, signal: AbortSignal) => Promise<ByteStream>;
  /**
   * Returns true if a client may send queries. Others get no reply, but for REFUSED by
   * {@linkcode isNeighbour}, and TCP is closed at once.
   */
  readonly allows: (address: string) => boolean;
  /**
   * Returns true for an address in a private network of this machine: such a client gets REFUSED
   * by UDP if it is not allowed, at most 200 times a second for each /24.
   *
   * @default {() => false}
   */
  readonly isNeighbour?: (address: string) => boolean;
  /** Returns true for an address of this machine, loopback included; it has no rate limit. */
  readonly isLocal: (address: string) => boolean;
  /** The text of an address that leads to this machine or to ngrokd; undefined for others. */
  readonly localAddress: (address: Uint8Array) => string | undefined;
  /** Returns true for a name that may lead to such an address. */
  readonly allowsPrivate: (name: string) => boolean;
  /** Called after answers were dropped from a reply. */
  readonly onDropped: (dropped: DroppedRecord) => void;
  readonly limits?: TcpServerLimits;
}

/** The result of binding one address. */
export interface DnsBinding {
  /** The requested address. */
  readonly address: string;
  /** The bound port, the same for UDP and TCP; the requested one if the address is not bound. */
  readonly port: number;
  /** The reason why the address is not bound. */
  readonly problem?: BindError;
}

/** The client of a query, with the A record of the address that received it. */
interface DnsClient {
  readonly localRecord: Uint8Array;
  readonly address: string;
  /** The port of a client that uses UDP. */
  readonly port?: number;
  /** Aborted when the connection of a client that uses TCP is closed. */
  readonly signal?: AbortSignal;
}

interface OpenAddress {
  readonly binding: DnsBinding;
  readonly key: string;
  close(): void;
  readonly done: Promise<unknown>;
}
