import { type ByteStream, closeQuietly, writeAll } from "../byte_stream.ts";
import type { Tunnel } from "./tunnel.ts";

const BUFFER_BYTES = 64 * 1024;
/** What was written before the near end closed has so long to reach the far end. */
const LINGER_MS = 5_000;

/** A port of this machine behind which one tunnel waits for one connection. */
export interface Relay {
  readonly port: number;
  /**
   * Takes the connection that comes from `localPort` and joins it to the tunnel; any other that comes is closed before a byte. Resolves
   * once it is joined.
   */
  accept(localPort: number): Promise<void>;
  /** Ends it: what is still on its way to the far end has some seconds, everything else none. */
  close(): void;
}

/**
 * Gives a tunnel an address, because the runtime's TLS client with a certificate of its own dials addresses only. Only the process that
 * opened it gets through: no other program can have its local port. The tunnel is the relay's from here on, also if this throws.
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
    const down = copy(far, conn, early);
    try {
      await Promise.all([up, down]);
    } catch {
      // One end was reset or closed: the other learns of it by its own end.
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
  };
}

/** Closes the tunnel if it gets no listener, for which a descriptor may be missing: no one else would. */
function listenFor(far: ByteStream): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port: 0 });
  } catch (error) {
    closeQuietly(far);
    throw error;
  }
}

async function copy(from: ByteStream, to: ByteStream, first?: Uint8Array): Promise<void> {
  if (first !== undefined && first.length > 0) await writeAll(to, first);
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) break;
    await writeAll(to, buffer.subarray(0, count));
  }
  await to.closeWrite();
}
