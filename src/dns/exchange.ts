import { type ByteStream, closeQuietly, readFull, writeAll } from "../system/byte_stream.ts";
import type { TcpAddress } from "../system/tcp.ts";
import type { UdpPeer, UdpSocket } from "../system/udp.ts";
import { frameMessage } from "./frame.ts";
import { HEADER_BYTES, uint16 } from "./query.ts";
import { RCODE } from "./reply.ts";

/** More than any reply may have, because our requests announce a smaller size. */
const MAX_REPLY_BYTES = 4096;

/**
 * Sends a request by UDP from a socket of its own, and so from a random port: to one server, and to
 * one more after each pause or failure. The first good reply wins. Only messages from a server that
 * was queried, with the same id and exactly the same question, are replies (RFC 5452). Undefined if
 * the signal aborts first. If all servers fail, the first failure is the result.
 */
export async function exchangeUdp(
  request: Uint8Array,
  options: UdpExchangeOptions,
): Promise<ServerReply | undefined> {
  const { servers, listenUdp, nextMs, signal } = options;
  if (signal.aborted) return undefined;
  const socket = listenUdp({ address: "0.0.0.0", port: 0 });
  const close = () => closeQuietly(socket);
  signal.addEventListener("abort", close, { once: true });
  const failed = new Map<TcpAddress, ServerReply>();
  let queried = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  function queryNext(): void {
    clearTimeout(timer);
    // After an unreachable server, as after a silent one, the next one is queried after the pause.
    const { address: hostname, port } = servers[queried++ % servers.length]!;
    socket.send(request, { hostname, port }).catch(() => {});
    timer = setTimeout(queryNext, nextMs);
  }
  try {
    queryNext();
    const buffer = new Uint8Array(MAX_REPLY_BYTES);
    while (failed.size < servers.length) {
      const [bytes, peer] = await socket.receive(buffer);
      const server = servers.slice(0, queried).find((one) => isFrom(one, peer));
      if (server === undefined || failed.has(server) || !isReplyTo(bytes, request)) continue;
      const result = { server, reply: bytes.slice() };
      if (isGood(bytes)) return result;
      failed.set(server, result);
      if (queried < servers.length) queryNext();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", close);
    close();
  }
  return failed.values().next().value;
}

/** Sends a request over a new TCP connection. Undefined if the reply is invalid; throws like it. */
export async function exchangeTcp(
  request: Uint8Array,
  options: TcpExchangeOptions,
): Promise<Uint8Array | undefined> {
  const { server, connectTcp, signal } = options;
  const stream = await connectTcp(server, signal);
  const close = () => closeQuietly(stream);
  signal.addEventListener("abort", close, { once: true });
  try {
    if (signal.aborted) return undefined;
    await writeAll(stream, frameMessage(request));
    const length = new Uint8Array(2);
    if (!await readFull(stream, length)) return undefined;
    const reply = new Uint8Array(uint16(length, 0));
    return await readFull(stream, reply) && isReplyTo(reply, request) ? reply : undefined;
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

function isFrom(server: TcpAddress, peer: UdpPeer): boolean {
  return server.address === peer.hostname && server.port === peer.port;
}

/** Returns true for a reply with the id and question of the request (which may end with an OPT). */
function isReplyTo(bytes: Uint8Array, request: Uint8Array): boolean {
  const questionEnd = request.length - (request[11] === 1 ? 11 : 0);
  if (bytes.length < questionEnd || (bytes[2]! & 0xf8) !== 0x80 || uint16(bytes, 4) !== 1) return false;
  for (let at = HEADER_BYTES; at < questionEnd; at++) if (bytes[at] !== request[at]) return false;
  return bytes[0] === request[0] && bytes[1] === request[1];
}

function isGood(reply: Uint8Array): boolean {
  const rcode = reply[3]! & 15;
  return rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN;
}

/** Returns true if a reply has the TC flag, so that only TCP gives the whole reply. */
export function isTruncated(reply: Uint8Array): boolean {
  return (reply[2]! & 2) !== 0;
}

/** The reply of one server. */
export interface ServerReply {
  readonly server: TcpAddress;
  readonly reply: Uint8Array;
}

/** Options of {@linkcode exchangeUdp}. */
export interface UdpExchangeOptions {
  /** The servers in the order in which they are queried, again and again; not empty. */
  readonly servers: readonly TcpAddress[];
  readonly listenUdp: (where: TcpAddress) => UdpSocket;
  /** The time without a reply after which the next server is queried too. */
  readonly nextMs: number;
  /** Ends the exchange. */
  readonly signal: AbortSignal;
}

/** Options of {@linkcode exchangeTcp}. */
export interface TcpExchangeOptions {
  readonly server: TcpAddress;
  readonly connectTcp: (where: TcpAddress, signal: AbortSignal) => Promise<ByteStream>;
  readonly signal: AbortSignal;
}
