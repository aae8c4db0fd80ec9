import { listenerKey } from "../model/route_table.ts";
import { toBindError } from "./errors.ts";
import type { TcpAddress } from "./net.ts";

/** Where a datagram came from, or goes to: an IPv4 address and a port, under the runtime's names, so that nothing is made per datagram. */
export interface UdpPeer {
  readonly hostname: string;
  readonly port: number;
}

/** An open UDP socket. */
export interface UdpSocket {
  /** `address:port` as bound. */
  readonly key: string;
  readonly port: number;
  /** Fills `buffer` with the next datagram, cut to its length; gives the filled part and who sent it. */
  receive(buffer: Uint8Array): Promise<[Uint8Array, UdpPeer]>;
  /** Sends one datagram. It rejects for what the network refuses (port 0, no route); that says nothing about the next one. */
  send(data: Uint8Array, peer: UdpPeer): Promise<number>;
  /** A pending receive rejects. */
  close(): void;
}

/**
 * Opens a UDP socket. One on 0.0.0.0 answers from whatever address the kernel likes (RUNTIME.md): a server binds each address.
 *
 * It is Deno's own socket, which is unstable (`"unstable": ["net"]` in deno.json), because `node:dgram` is three times slower.
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

function openSocket(where: TcpAddress): Deno.DatagramConn {
  try {
    return Deno.listenDatagram({ transport: "udp", hostname: where.address, port: where.port });
  } catch (error) {
    throw toBindError(error, listenerKey(where.address, where.port));
  }
}
