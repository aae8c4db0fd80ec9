import { closeQuietly } from "../../src/system/byte_stream.ts";
import { copyStream } from "./memory_stream.ts";

/** The behaviour of the proxy: a tunnel or a fault. */
export type ProxyMode =
  | "ok"
  | "forbid"
  | "bad_gateway"
  | "hang"
  | "close"
  | "close_in_answer"
  | "garbage"
  | "huge_head"
  | "drip";

/** An HTTP proxy on 127.0.0.1 that supports only CONNECT. */
export interface ConnectProxy extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  mode: ProxyMode;
  /** `user:password` that it requires. @default None */
  credentials: string | undefined;
  /** The local port that replaces a target, by the target (`host:port`). */
  readonly targets: Map<string, number>;
  /** The heads of the requests so far. */
  readonly heads: string[];
  /** The number of open connections on both sides. */
  readonly open: number;
  /** Closes all connections and the listener. */
  stop(): void;
  /** Listens again after `stop`. */
  start(): void;
}

const ANSWERS: Partial<Record<ProxyMode, string>> = {
  forbid: "HTTP/1.1 403 Forbidden\r\n\r\n",
  bad_gateway: "HTTP/1.1 502 Bad Gateway\r\n\r\n",
  close: "",
  close_in_answer: "HTTP/1.1 200 O",
  garbage: "SSH-2.0-OpenSSH_9.2\r\n",
  huge_head: `HTTP/1.1 200 OK\r\nX-Filler: ${"x".repeat(20_000)}\r\n\r\n`,
};
const OK = "HTTP/1.1 200 Connection established\r\n\r\n";
const encoder = new TextEncoder();

/** Starts an HTTP proxy. */
export function connectProxy(): ConnectProxy {
  let listener: Deno.TcpListener | undefined;
  const conns = new Set<Deno.TcpConn>();
  const running = new Set<Promise<void>>();

  function close(conn: Deno.TcpConn): void {
    conns.delete(conn);
    closeQuietly(conn);
  }

  async function serve(conn: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(8192);
    let head = "";
    while (!head.includes("\r\n\r\n")) {
      const count = await conn.read(buffer);
      if (count === null) return;
      head += new TextDecoder().decode(buffer.subarray(0, count));
    }
    proxy.heads.push(head);
    if (proxy.credentials !== undefined && !head.includes(`Basic ${btoa(proxy.credentials)}\r\n`)) {
      await conn.write(encoder.encode("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
      return;
    }
    if (proxy.mode === "hang") return void await conn.read(buffer);
    const answer = ANSWERS[proxy.mode];
    if (answer !== undefined) {
      for (let rest = encoder.encode(answer); rest.length > 0;) rest = rest.subarray(await conn.write(rest));
      await conn.closeWrite();
      await conn.read(buffer);
      return;
    }
    const target = /^CONNECT (\S+):([0-9]+) HTTP/.exec(head);
    const port = proxy.targets.get(`${target?.[1]}:${target?.[2]}`) ?? Number(target?.[2]);
    const far = await Deno.connect({ hostname: "127.0.0.1", port });
    conns.add(far);
    try {
      if (proxy.mode === "drip") {
        for (const byte of encoder.encode(OK)) await conn.write(Uint8Array.of(byte));
      } else await conn.write(encoder.encode(OK));
      await Promise.all([copyStream(conn, far), copyStream(far, conn)]);
    } finally {
      close(far);
    }
  }

  async function accept(own: Deno.TcpListener): Promise<void> {
    for (;;) {
      const conn = await own.accept().catch(() => undefined);
      if (conn === undefined) return;
      conns.add(conn);
      const served = serve(conn).catch(() => {}).finally(() => {
        close(conn);
        running.delete(served);
      });
      running.add(served);
    }
  }

  function start(port: number): Deno.TcpListener {
    listener = Deno.listen({ hostname: "127.0.0.1", port });
    const accepting = accept(listener);
    running.add(accepting);
    return listener;
  }

  function stop(): void {
    listener?.close();
    listener = undefined;
    for (const conn of conns) close(conn);
  }

  const { port } = start(0).addr;
  const proxy: ConnectProxy = {
    port,
    url: `http://127.0.0.1:${port}`,
    mode: "ok",
    credentials: undefined,
    targets: new Map(),
    heads: [],
    get open() {
      return conns.size;
    },
    stop,
    start: () => void start(port),
    async [Symbol.asyncDispose]() {
      stop();
      await Promise.all(running);
    },
  };
  return proxy;
}
