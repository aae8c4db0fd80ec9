import { closeQuietly } from "./byte_stream.ts";

/**
 * Connects by TCP. Unlike `Deno.connect`, closes a connection that opens while the signal aborts.
 *
 * @throws The error of the runtime, or the signal's reason if it aborts first.
 */
export async function openTcp(options: OpenTcpOptions): Promise<Deno.TcpConn> {
  const { hostname, port, delayMs = 250, signal } = options;
  const target = { hostname, port, autoSelectFamilyAttemptDelay: delayMs };
  if (signal === undefined) return await Deno.connect(target);
  signal.throwIfAborted();
  const stop = new AbortController();
  // The runtime makes this check once more when it has connected, and loses the connection.
  Object.defineProperty(stop.signal, "throwIfAborted", { value() {} });
  const onAbort = () => stop.abort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const conn = await Deno.connect({ ...target, signal: stop.signal });
    if (signal.aborted) closeQuietly(conn);
    signal.throwIfAborted();
    return conn;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Options of {@linkcode openTcp}. */
export interface OpenTcpOptions {
  readonly hostname: string;
  readonly port: number;
  /** The pause before another address of the host is tried, in milliseconds. @default {250} */
  readonly delayMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}
