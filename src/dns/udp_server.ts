import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { keepGoing } from "../system/keep_going.ts";
import { nextTurn } from "../system/turns.ts";
import type { UdpPeer, UdpSocket } from "../system/udp.ts";
import type { RateDecision } from "./rate_limit.ts";

const log = getLogger(["ngrokd", "dns"]);

/** More than any meaningful query has. A longer one is cut, and so malformed. */
const BUFFER_BYTES = 4096;

/**
 * The datagrams that are answered in one turn of the event loop, which takes about half a
 * millisecond. Counting them costs less than a look at the clock.
 */
const WORK_PER_TURN = 64;
/** A forwarded query needs a socket of its own, and so about as much time as this many others. */
const FORWARDING_WORK = 16;

/** Answers datagrams until the signal aborts; errors of datagrams or the socket do not end it. */
export function serveUdp(socket: UdpSocket, options: UdpServerOptions): Promise<void> {
  const { judge, respond, truncate, refuse, signal } = options;
  const buffer = new Uint8Array(BUFFER_BYTES);
  const address = socket.key;

  async function reply(bytes: Uint8Array, peer: UdpPeer): Promise<void> {
    try {
      await socket.send(bytes, peer);
    } catch (error) {
      // There is no route to this client, or the socket was closed. Other clients are not affected.
      if (!signal.aborted) log.debug("Cannot answer a DNS query: {error}", { error: messageOf(error) });
    }
  }

  async function receive(succeeded: () => void): Promise<never> {
    for (let work = 0;;) {
      const [message, peer] = await socket.receive(buffer);
      // The next datagrams of a flood are always there, so that nothing else would run.
      if (++work >= WORK_PER_TURN) {
        await nextTurn();
        work = 0;
      }
      // No reply can be sent to port 0 (RFC 6335 6).
      if (peer.port === 0) continue;
      const verdict = judge(peer);
      succeeded();
      if (verdict === "drop") continue;
      const result = verdict === "answer"
        ? respond(message, peer)
        : verdict === "truncate"
        ? truncate(message)
        : refuse(message);
      if (result instanceof Uint8Array) await reply(result, peer);
      else if (result !== undefined) {
        work += FORWARDING_WORK;
        void result.then((bytes) => reply(bytes, peer));
      }
    }
  }

  return keepGoing(receive, {
    signal,
    onFailure: (error) =>
      log.warn("Cannot receive DNS queries on {address}: {error}", { address, error: messageOf(error) }),
  });
}

/** The decision about a datagram. */
export type UdpDecision = RateDecision | "refuse";

/** Options of {@linkcode serveUdp}. */
export interface UdpServerOptions {
  /** The decision about a datagram by its sender, whose port is not 0. */
  readonly judge: (peer: UdpPeer) => UdpDecision;
  /**
   * The reply to a message, or a promise of it that does not reject; undefined for none. The bytes
   * are valid until it returns.
   */
  readonly respond: (message: Uint8Array, peer: UdpPeer) => Uint8Array | Promise<Uint8Array> | undefined;
  /** The truncated reply to a message; undefined for none. */
  readonly truncate: (message: Uint8Array) => Uint8Array | undefined;
  /** The reply to a message of a client that is not allowed; undefined for none. */
  readonly refuse: (message: Uint8Array) => Uint8Array | undefined;
  /** Aborted when the socket is closed. */
  readonly signal: AbortSignal;
}
