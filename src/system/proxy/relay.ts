import { type ByteStream, closeQuietly, writeAll } from "../byte_stream.ts";
import type { Tunnel } from "./tunnel_errors.ts";

const BUFFER_BYTES = 64 * 1024;
/** The time that written data has to reach the far end after the near end closed. */
const LINGER_MS = 5_000;

/**
 * Gives a tunnel a local address, because `Deno.connectTls` dials addresses only. Only this process
 * gets through, because no other program can have its local port. The relay owns the tunnel from
 * here on, also if this throws.
 */
export function openRelay(tunnel: Tunnel): Relay {
  const { stream: far, early } = tunnel;
  const listener = listenFor(far);
  let near: Deno.TcpConn | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let upEnded = false;
  let closed = false;

  function end(): void {
    clearTimeout(timer);
    closeQuietly(listener);
    closeQuietly(far);
    if (near !== undefined) closeQuietly(near);
  }

  async function join(conn: Deno.TcpConn): Promise<void> {
    const up = copy(conn, far).then(() => {
      upEnded = true;
      if (closed) end();
    });
    const down = writeAll(conn, early).then(() => copy(far, conn));
    try {
      await Promise.all([up, down]);
    } catch {
      // One end was reset or closed; closing the other end tells its peer.
    } finally {
      end();
      await Promise.allSettled([up, down]);
    }
  }

  return {
    port: listener.addr.port,
    async accept(localPort) {
      try {
        while (near === undefined) {
          const conn = await listener.accept();
          if (conn.remoteAddr.hostname === "127.0.0.1" && conn.remoteAddr.port === localPort) near = conn;
          else closeQuietly(conn);
        }
        near.setNoDelay(true);
      } catch (error) {
        end();
        throw error;
      } finally {
        closeQuietly(listener);
      }
      join(near);
    },
    close() {
      closed = true;
      if (near === undefined || upEnded) end();
      else timer ??= setTimeout(end, LINGER_MS);
    },
    abort() {
      closed = true;
      end();
    },
  };
}

/** A local port that connects exactly one client to a tunnel. */
export interface Relay {
  readonly port: number;
  /**
   * Waits for the connection from `localPort` and connects it to the tunnel. Any other connection
   * is closed at once.
   */
  accept(localPort: number): Promise<void>;
  /** Closes the relay. Data on its way to the far end has some seconds to arrive. */
  close(): void;
  /** Closes both ends at once: nothing more reaches the far end. */
  abort(): void;
}

/** Opens the listener. Closes the tunnel if that fails, because nothing else would. */
function listenFor(far: ByteStream): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port: 0 });
  } catch (error) {
    closeQuietly(far);
    throw error;
  }
}

/** Copies bytes until the end, and then closes the sending direction. */
export async function copy(from: ByteStream, to: ByteStream): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) break;
    await writeAll(to, buffer.subarray(0, count));
  }
  await to.closeWrite();
}
