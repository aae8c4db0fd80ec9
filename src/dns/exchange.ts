import { withoutZone } from "../lib/ipv6.ts";
import { type ByteStream, closeQuietly, readFull, writeAll } from "../system/byte_stream.ts";
import type { TcpAddress } from "../system/tcp.ts";
import type { UdpPeer, UdpSocket } from "../system/udp.ts";
import type { Cases } from "./case_memory.ts";
import { frameMessage } from "./frame.ts";
import { HEADER_BYTES, uint16 } from "./query.ts";
import { compareQuestions, lowerCase } from "./question_case.ts";
import { RCODE, rcodeOf } from "./reply.ts";

/** More than any reply may have, because our requests announce a smaller size. */
const MAX_REPLY_BYTES = 4096;
const ANY_IPV4 = "0.0.0.0";
const ANY_IPV6 = "::";

/**
 * Sends a request by UDP from sockets of its own, one for each family, and so from random ports: to
 * one server, and to one more after each pause or failure. A server that has no route is skipped
 * from then on, unless none has. The first good reply wins. Only messages
 * from a server that was queried, with the same id and question, are replies (RFC 5452); a reply
 * whose question is in another case is only marked, unless the server is known to ignore the case.
 * Undefined if the signal aborts first. If all servers fail, the first failure is the result.
 */
export function exchangeUdp(request: Request, options: UdpExchangeOptions): Promise<ServerReply | undefined> {
  const { servers, listenUdp, nextMs, firstMs = nextMs, cases, signal } = options;
  const sockets = new Map<string, UdpSocket>();
  const failed = new Map<TcpAddress, ServerReply>();
  const unreachable = new Set<TcpAddress>();
  const { promise, resolve, reject } = Promise.withResolvers<ServerReply | undefined>();
  let queried = 0;
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const finish = (result: ServerReply | undefined): void => {
    isOver = true;
    resolve(result);
  };
  // A server that was silent might not answer a question in mixed case.
  const isPlain = (server: TcpAddress) => cases.ignoresCase(server) || queried > servers.length;
  function queryNext(): void {
    clearTimeout(timer);
    // The network may be back by now.
    if (unreachable.size === servers.length) unreachable.clear();
    let server: TcpAddress;
    do server = servers[queried++ % servers.length]!; while (unreachable.has(server));
    timer = setTimeout(queryNext, queried - unreachable.size <= 1 ? firstMs : nextMs);
    const attempt = queried;
    send(server, isPlain(server) ? plainCopy(request) : request.bytes).catch((error) => {
      if (isOver) return;
      // Without a route to it (no IPv6, for example) the next one is queried at once.
      unreachable.add(server);
      if (endIfAllFailed()) return;
      if (unreachable.size < servers.length) {
        if (attempt === queried) queryNext();
      } else if (sockets.size === 0) reject(error);
    });
  }
  function endIfAllFailed(): boolean {
    const [first] = failed.values();
    if (first === undefined || !servers.every((one) => failed.has(one) || unreachable.has(one))) return false;
    finish(first);
    return true;
  }
  async function send({ address: hostname, port }: TcpAddress, bytes: Uint8Array): Promise<void> {
    const family = hostname.includes(":") ? ANY_IPV6 : ANY_IPV4;
    let socket = sockets.get(family);
    if (socket === undefined) {
      socket = listenUdp({ address: family, port: 0 });
      sockets.set(family, socket);
      receive(socket).catch((error) => isOver || reject(error));
    }
    await socket.send(bytes, { hostname, port });
  }
  async function receive(socket: UdpSocket): Promise<void> {
    const buffer = new Uint8Array(MAX_REPLY_BYTES);
    while (!isOver) {
      const [bytes, peer] = await socket.receive(buffer);
      if (!isOver) accept(bytes, peer);
    }
  }
  function accept(bytes: Uint8Array, peer: UdpPeer): void {
    const server = servers.slice(0, queried).find((one) => isFrom(one, peer));
    if (server === undefined || failed.has(server)) return;
    const match = matchReply(bytes, request);
    if (match === undefined) return;
    const keepsCase = match === "same";
    const result = { server, reply: bytes.slice(), isOtherCase: !keepsCase && !cases.ignoresCase(server) };
    if (keepsCase) cases.noteKept(server);
    if (isGood(bytes) || result.isOtherCase) return finish(result);
    failed.set(server, result);
    if (!endIfAllFailed() && queried < servers.length) queryNext();
  }
  if (signal.aborted) return Promise.resolve(undefined);
  const onAbort = (): void => finish(failed.values().next().value);
  signal.addEventListener("abort", onAbort, { once: true });
  queryNext();
  return promise.finally(() => {
    isOver = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    for (const socket of sockets.values()) closeQuietly(socket);
  });
}

/**
 * Sends a request over a new TCP connection, where nobody else can reply, so that the case of the
 * question may differ. Undefined if the reply is invalid; throws like the connection.
 */
export async function exchangeTcp(
  request: Request,
  options: TcpExchangeOptions,
): Promise<ServerReply | undefined> {
  const { server, connectTcp, signal } = options;
  const stream = await connectTcp(server, signal);
  const close = () => closeQuietly(stream);
  signal.addEventListener("abort", close, { once: true });
  try {
    if (signal.aborted) return undefined;
    await writeAll(stream, frameMessage(request.bytes));
    const length = new Uint8Array(2);
    if (!await readFull(stream, length)) return undefined;
    const reply = new Uint8Array(uint16(length, 0));
    const match = await readFull(stream, reply) ? matchReply(reply, request) : undefined;
    return match === undefined ? undefined : { server, reply, isOtherCase: match === "other case" };
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

function isFrom(server: TcpAddress, peer: UdpPeer): boolean {
  return server.port === peer.port && withoutZone(server.address) === peer.hostname;
}

/** Compares the question of a reply with that of its request; undefined if it is no reply to it. */
function matchReply(bytes: Uint8Array, request: Request): "same" | "other case" | undefined {
  if (bytes.length < HEADER_BYTES || (bytes[2]! & 0xf8) !== 0x80 || uint16(bytes, 4) !== 1) return undefined;
  if (bytes[0] !== request.bytes[0] || bytes[1] !== request.bytes[1]) return undefined;
  const { bytes: sent, questionEnd } = request;
  const match = compareQuestions(bytes, { request: sent, questionEnd });
  return match === "different" ? undefined : match;
}

function plainCopy({ bytes, questionEnd }: Request): Uint8Array {
  const plain = bytes.slice();
  lowerCase(plain, questionEnd);
  return plain;
}

/** Returns true if a reply says that a name exists, or that it does not. */
export function isGood(reply: Uint8Array): boolean {
  const rcode = rcodeOf(reply);
  return rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN;
}

/** Returns true if a reply has the TC flag, so that only TCP gives the whole reply. */
export function isTruncated(reply: Uint8Array): boolean {
  return (reply[2]! & 2) !== 0;
}

/** A message to upstream DNS servers. */
export interface Request {
  readonly bytes: Uint8Array;
  /** The offset of the end of the question. */
  readonly questionEnd: number;
}

/** The reply of one server. */
export interface ServerReply {
  readonly server: TcpAddress;
  readonly reply: Uint8Array;
  /** True if its question differs from the request in the case of letters only. */
  readonly isOtherCase: boolean;
}

/** Options of {@linkcode exchangeUdp}. */
export interface UdpExchangeOptions {
  /** The servers in the order in which they are queried, again and again; not empty. */
  readonly servers: readonly TcpAddress[];
  readonly listenUdp: (where: TcpAddress) => UdpSocket;
  /** The time without a reply after which the next server is queried too. */
  readonly nextMs: number;
  /** The same for the first server. @default {nextMs} */
  readonly firstMs?: number;
  readonly cases: Cases;
  /** Ends the exchange. */
  readonly signal: AbortSignal;
}

/** Options of {@linkcode exchangeTcp}. */
export interface TcpExchangeOptions {
  readonly server: TcpAddress;
  readonly connectTcp: (where: TcpAddress, signal: AbortSignal) => Promise<ByteStream>;
  readonly signal: AbortSignal;
}
