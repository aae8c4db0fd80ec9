import { type ByteStream, closeQuietly, writeAll } from "../byte_stream.ts";
import { copy } from "./relay.ts";

const MAX_HEAD_BYTES = 4096;
const HEAD_MS = 5_000;
/** The connections whose request has not come yet: other programs can connect too. */
const MAX_PENDING = 8;
const USER = "ngrokd";

/**
 * Opens an HTTP proxy on a loopback port for one client of the runtime and one host, so that the
 * client uses a connection that this program has dialled. TLS stays between client and host. Other
 * programs do not have the password.
 */
export function openOwnProxy(options: OwnProxyOptions): OwnProxy {
  const { hostname, port, dial } = options;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const password = crypto.randomUUID();
  const pending = new Set<Deno.TcpConn>();
  const open = new Set<{ close(): void }>();
  const stop = new AbortController();
  const wanted = [`CONNECT ${hostname}:${port} HTTP/1.1`, `Basic ${btoa(`${USER}:${password}`)}`] as const;
  let failure: unknown;

  async function serve(near: Deno.TcpConn): Promise<void> {
    const timer = setTimeout(() => closeQuietly(near), HEAD_MS);
    let far: ByteStream | undefined;
    open.add(near);
    try {
      const isOurs = matches(await readHead(near), wanted);
      clearTimeout(timer);
      pending.delete(near);
      if (!isOurs) return;
      far = await dial(stop.signal).catch((error) => {
        if (!stop.signal.aborted) failure ??= error;
        throw error;
      });
      open.add(far);
      await writeAll(near, new TextEncoder().encode("HTTP/1.1 200 Connection established\r\n\r\n"));
      await Promise.all([copy(near, far), copy(far, near)]);
    } catch {
      // A reset or a close of one end ends the other one, too.
    } finally {
      clearTimeout(timer);
      pending.delete(near);
      for (const end of [near, far]) {
        if (end === undefined) continue;
        open.delete(end);
        closeQuietly(end);
      }
    }
  }

  async function acceptAll(): Promise<void> {
    for (;;) {
      const conn = await listener.accept();
      const [oldest] = pending;
      if (pending.size >= MAX_PENDING && oldest !== undefined) closeQuietly(oldest);
      pending.add(conn);
      void serve(conn);
    }
  }
  acceptAll().catch((error) => stop.signal.aborted || (failure ??= error));
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    basicAuth: { username: USER, password },
    get failure() {
      return failure;
    },
    [Symbol.dispose]() {
      stop.abort();
      closeQuietly(listener);
      for (const end of open) closeQuietly(end);
    },
  };
}

/** Reads up to the end of the head of a request. Nothing follows before our answer. */
async function readHead(conn: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(MAX_HEAD_BYTES);
  let text = "";
  while (!text.endsWith("\r\n\r\n") && text.length < MAX_HEAD_BYTES) {
    const count = await conn.read(buffer.subarray(0, MAX_HEAD_BYTES - text.length));
    if (count === null) break;
    text += String.fromCharCode(...buffer.subarray(0, count));
  }
  return text;
}

function matches(head: string, [line, credentials]: readonly [string, string]): boolean {
  const [first, ...fields] = head.split("\r\n");
  const value = fields.map((field) => /^proxy-authorization:[ \t]*(.*?)[ \t]*$/i.exec(field)?.[1])
    .find((found) => found !== undefined);
  return first === line && value === credentials && head.endsWith("\r\n\r\n");
}

/** Options of {@linkcode openOwnProxy}. */
export interface OwnProxyOptions {
  /** The only host, as a URL has it, and its port. */
  readonly hostname: string;
  readonly port: number;
  /** Connects to the host. */
  readonly dial: (signal: AbortSignal) => Promise<ByteStream>;
}

/** A proxy for one client. Disposing closes it with all its connections. */
export interface OwnProxy extends Disposable {
  readonly url: string;
  readonly basicAuth: { readonly username: string; readonly password: string };
  /** The error because of which the host could not be reached; undefined if there was none. */
  readonly failure: unknown;
}
