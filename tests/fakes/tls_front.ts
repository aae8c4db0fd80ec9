import { type ByteStream, closeQuietly, writeAll } from "../../src/system/byte_stream.ts";
import type { TestPair } from "./test_ca.ts";

/** TLS in front of a port of 127.0.0.1 that speaks in clear. */
export function tlsFront(to: number, pair: TestPair): AsyncDisposable & { readonly port: number } {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pair });
  const running = new Set<Promise<void>>();

  async function serve(conn: Deno.TlsConn): Promise<void> {
    using far = await Deno.connect({ hostname: "127.0.0.1", port: to });
    await Promise.all([copy(conn, far), copy(far, conn)]);
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

async function copy(from: ByteStream, to: ByteStream): Promise<void> {
  const buffer = new Uint8Array(65536);
  for (let count; (count = await from.read(buffer)) !== null;) await writeAll(to, buffer.subarray(0, count));
  await to.closeWrite();
}
