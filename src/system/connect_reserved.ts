import { connect, type Socket } from "node:net";
import { listenerKey } from "../model/route_table.ts";
import { codeOf } from "./errors.ts";
import { connectTcp, type TcpAddress } from "./tcp.ts";

/** The kernel gives ports below 1024 to privileged processes only, if nobody has changed that. */
const FIRST = 512;
const COUNT = 512;
const ATTEMPTS = 16;

/**
 * Connects to an address of this machine from a random port below 1024 of the same address. An
 * ordinary user can connect from any other source, even from one that is in use. Without the
 * capability NET_BIND_SERVICE the port is any free one.
 *
 * @throws If it cannot connect. @throws The signal's reason, if it aborts first.
 */
export async function connectReserved(where: TcpAddress, signal: AbortSignal): Promise<OwnConnection> {
  for (let attempt = 1;; attempt++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    try {
      return await connectFrom(port, { where, signal });
    } catch (error) {
      if (codeOf(error) === "EACCES") return await connectTcp(where, signal);
      // A port that another connection has is EADDRINUSE, EADDRNOTAVAIL or, by the runtime, EINVAL.
      if (codeOf(error) === "ECONNREFUSED" || signal.aborted || attempt === ATTEMPTS) throw error;
    }
  }
}

/** A connection that knows its own `address:port`. */
export interface OwnConnection {
  readonly source?: string;
  close(): void;
}

function connectFrom(
  port: number,
  { where, signal }: { readonly where: TcpAddress; readonly signal: AbortSignal },
): Promise<OwnConnection> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<OwnConnection>();
  const socket: Socket = connect({
    host: where.address,
    port: where.port,
    localAddress: where.address,
    localPort: port,
  });
  const onAbort = (): void => {
    socket.destroy();
    reject(signal.reason);
  };
  const source = listenerKey(where.address, port);
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("connect", () => resolve({ source, close: () => socket.destroy() }));
  // Later errors must not end the process.
  socket.on("error", reject);
  return promise.finally(() => signal.removeEventListener("abort", onAbort));
}
