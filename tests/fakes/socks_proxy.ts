import { type ByteStream, closeQuietly, readFull, writeAll } from "../../src/system/byte_stream.ts";
import { copyStream } from "./memory_stream.ts";

/**
 * The behaviour of the proxy: a tunnel or a fault. A number is the reply to the request (RFC 1928
 * 6).
 */
export type SocksMode =
  | "ok"
  | "no_method"
  | "hang"
  | "close"
  | "close_in_answer"
  | "garbage"
  | "ipv6"
  | "name"
  | number;

/** A SOCKS5 proxy on 127.0.0.1 that supports only CONNECT. */
export interface SocksProxy extends AsyncDisposable {
  readonly port: number;
  mode: SocksMode;
  /** `user:password` that it requires. @default None */
  credentials: string | undefined;
  /** The local port that replaces a target, by the target (`host:port`). */
  readonly targets: Map<string, number>;
  /** The requested targets so far. */
  readonly asked: string[];
  /** The number of open connections on both sides. */
  readonly open: number;
}

const decoder = new TextDecoder();
/** The bound address in its reply, by mode. */
const BOUND: Readonly<Record<string, readonly number[]>> = {
  ipv6: [4, ...new Array(16).fill(0), 0, 0],
  name: [3, 4, ...new TextEncoder().encode("name"), 0, 0],
};
const BOUND_IPV4 = [1, 0, 0, 0, 0, 0, 0];

/** Starts a SOCKS5 proxy. */
export function socksProxy(): SocksProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns = new Set<Deno.TcpConn>();
  const running = new Set<Promise<void>>();

  async function take(conn: ByteStream, count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    if (!await readFull(conn, bytes)) throw new Error("the client has gone");
    return bytes;
  }

  async function takeText(conn: ByteStream): Promise<string> {
    const [length] = await take(conn, 1);
    return decoder.decode(await take(conn, length!));
  }

  /** Returns true if the client is admitted. */
  async function logIn(conn: Deno.TcpConn): Promise<boolean> {
    const [, count] = await take(conn, 2);
    const methods = await take(conn, count!);
    const method = proxy.credentials === undefined ? 0 : 2;
    if (proxy.mode === "no_method" || !methods.includes(method)) {
      await writeAll(conn, Uint8Array.of(5, 0xff));
      return false;
    }
    await writeAll(conn, Uint8Array.of(5, method));
    if (method === 0) return true;
    await take(conn, 1);
    const isRight = `${await takeText(conn)}:${await takeText(conn)}` === proxy.credentials;
    await writeAll(conn, Uint8Array.of(1, isRight ? 0 : 1));
    return isRight;
  }

  async function readTarget(conn: Deno.TcpConn): Promise<string> {
    const [, , , type] = await take(conn, 4);
    const host = type === 3 ? await takeText(conn) : (await take(conn, 4)).join(".");
    const [high, low] = await take(conn, 2);
    return `${host}:${high! * 256 + low!}`;
  }

  async function serve(conn: Deno.TcpConn): Promise<void> {
    const { mode } = proxy;
    if (mode === "garbage") {
      await writeAll(conn, new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
    }
    if (mode === "garbage" || mode === "hang") return void await conn.readable.pipeTo(new WritableStream());
    if (mode === "close" || !await logIn(conn)) return;
    const target = await readTarget(conn);
    proxy.asked.push(target);
    if (typeof mode === "number") return await writeAll(conn, Uint8Array.of(5, mode, 0, ...BOUND_IPV4));
    if (mode === "close_in_answer") return await writeAll(conn, Uint8Array.of(5, 0));
    const port = proxy.targets.get(target) ?? Number(target.split(":")[1]);
    const far = await Deno.connect({ hostname: "127.0.0.1", port });
    conns.add(far);
    try {
      await writeAll(conn, Uint8Array.of(5, 0, 0, ...BOUND[mode] ?? BOUND_IPV4));
      await Promise.all([copyStream(conn, far), copyStream(far, conn)]);
    } finally {
      end(far);
    }
  }

  function end(conn: Deno.TcpConn): void {
    conns.delete(conn);
    closeQuietly(conn);
  }

  const accepting = (async () => {
    for (;;) {
      const conn = await listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      conns.add(conn);
      const served = serve(conn).catch(() => {}).finally(() => {
        end(conn);
        running.delete(served);
      });
      running.add(served);
    }
  })();

  const proxy: SocksProxy = {
    port: listener.addr.port,
    mode: "ok",
    credentials: undefined,
    targets: new Map(),
    asked: [],
    get open() {
      return conns.size;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of conns) end(conn);
      await Promise.all([accepting, ...running]);
    },
  };
  return proxy;
}
