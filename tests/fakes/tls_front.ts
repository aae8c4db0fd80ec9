import { closeQuietly } from "../../src/system/byte_stream.ts";
import { copyStream } from "./memory_stream.ts";
import type { TestPair } from "./test_ca.ts";

/** Terminates TLS in front of a port of 127.0.0.1. */
export function tlsFront(to: number, pair: TestPair): AsyncDisposable & { readonly port: number } {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pair });
  const running = new Set<Promise<void>>();

  async function serve(conn: Deno.TlsConn): Promise<void> {
    using far = await Deno.connect({ hostname: "127.0.0.1", port: to });
    await Promise.all([copyStream(conn, far), copyStream(far, conn)]);
  }

  const accepting = (async () => {
    for (;;) {
      const conn = await listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      const served = serve(conn).catch(() => {}).finally(() => {
        closeQuietly(conn);
        running.delete(served);
      });
      running.add(served);
    }
  })();

  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await Promise.all([accepting, ...running]);
    },
  };
}
