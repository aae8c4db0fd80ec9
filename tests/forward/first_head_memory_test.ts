import assert from "node:assert/strict";
import type { ByteStream } from "../../src/system/byte_stream.ts";
import { WELCOME } from "../fakes/fake_ingress.ts";
import { readUntil, send, text } from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { startForwarder } from "../fakes/start_forwarder.ts";
import { usedMemory } from "../fakes/used_memory.ts";

const CONNECTIONS = 16;

/** Reads a head in large parts. */
async function readHead(conn: Pick<ByteStream, "read">): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let end = ""; end !== "\r\n\r\n";) {
    const count = await conn.read(buffer);
    assert.ok(count !== null);
    end = (end + text(buffer.subarray(Math.max(0, count - 4), count))).slice(-4);
  }
}

/** Returns the memory of idle connections whose first request had this head, for each of them. */
async function memoryAfter(head: string, answer: string): Promise<number> {
  await using it = startForwarder([route("http://api.myapp:8080")], {
    behave: async (conn) => {
      await send(conn, WELCOME);
      await readHead(conn);
      await send(conn, answer);
      await conn.read(new Uint8Array(1));
    },
  });
  const conns: Deno.TcpConn[] = [];
  const before = usedMemory();
  for (let index = 0; index < CONNECTIONS; index++) {
    const conn = await it.dial();
    conns.push(conn);
    await send(conn, head);
    await readUntil(conn, "\r\n\r\n");
  }
  const used = usedMemory() - before;
  for (const conn of conns) conn.close();
  return used / CONNECTIONS;
}

// The parsed head and its bytes, up to 3.8 MiB, once stayed as long as the connection.
Deno.test("a large first head leaves memory when it has been passed on (R86)", async () => {
  const head = (host: string, fields: string, count = 1): string =>
    `GET / HTTP/1.1\r\nHost: ${host}\r\n${fields}${"X: y\r\n".repeat(count)}\r\n`;
  const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  const upgrade = "Connection: Upgrade\r\nUpgrade: x\r\n";
  for (
    const [what, host, fields, answer] of [
      ["copied", "api.myapp:8080", "", ok],
      ["framed", "127.0.0.1:8080", "", ok],
      ["switched", "127.0.0.1:8080", upgrade, "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
    ] as const
  ) {
    const small = await memoryAfter(head(host, fields), answer);
    const large = await memoryAfter(head(host, fields, 20_000), answer);
    const moreKiB = Math.round((large - small) / 1024);
    // A client that sends in bulk gets a buffer that is 48 KiB larger.
    assert.ok(moreKiB < 64, `${what}: ${moreKiB} KiB more than with a small head`);
  }
});
