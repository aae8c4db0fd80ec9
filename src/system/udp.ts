import { listenerKey } from "../model/route_table.ts";
import { toBindError } from "./errors.ts";
import type { TcpAddress } from "./tcp.ts";

/**
 * Opens a UDP socket. On 0.0.0.0 the kernel chooses the source address of a reply, so a server
 * binds each address (docs/runtime.md UDP and DNS).
 *
 * Deno's own socket is unstable (`"unstable": ["net"]` in deno.json) but three times faster than
 * `node:dgram`.
 *
 * @throws {BindError} If the address cannot be bound.
 */
export function listenUdp(where: TcpAddress): UdpSocket {
  const conn = openSocket(where);
  const { port } = conn.addr as Deno.NetAddr;
  return {
    key: listenerKey(where.address, port),
    port,
    receive: (buffer) => conn.receive(buffer) as Promise<[Uint8Array, Deno.NetAddr]>,
    send: (data, peer) => conn.send(data, peer as Deno.NetAddr),
    close: () => conn.close(),
  };
}

/** An open UDP socket. */
export interface UdpSocket {
  /** `address:port` as bound. */
  readonly key: string;
  readonly port: number;
  /**
   * Receives the next datagram, truncated to the length of `buffer`; returns the filled part and
   * the sender.
   */
  receive(buffer: Uint8Array): Promise<[Uint8Array, UdpPeer]>;
  /**
   * Sends a datagram. Rejects if the network refuses it (port 0, no route); later ones may succeed.
   */
  send(data: Uint8Array, peer: UdpPeer): Promise<number>;
  /** Closes the socket. A pending receive rejects. */
  close(): void;
}

/**
 * The address and port of a peer, under the runtime's names, so that no object is made for each
 * datagram. The runtime leaves out the zone of the sender.
 */
export interface UdpPeer {
  readonly hostname: string;
  readonly port: number;
}

function openSocket(where: TcpAddress): Deno.DatagramConn {
  try {
    return Deno.listenDatagram({ transport: "udp", hostname: where.address, port: where.port });
  } catch (error) {
    throw toBindError(error, listenerKey(where.address, where.port));
  }
}
