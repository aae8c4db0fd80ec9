import { readAll, send, text } from "../fakes/memory_stream.ts";

/** Connects to an `address:port` of `ngrokctl list`. */
export function dial(address: string): Promise<Deno.TcpConn> {
  const [hostname, port] = address.split(":");
  return Deno.connect({ hostname: hostname!, port: Number(port) });
}

/** Sends all of it, half-closes, and reads to the end. */
export async function exchange(address: string, data: Uint8Array | string): Promise<Uint8Array> {
  using conn = await dial(address);
  const sending = send(conn, data).then(() => conn.closeWrite());
  const received = await readAll(conn);
  await sending;
  return received;
}

/** Sends a GET request for this Host. */
export async function get(address: string, host: string): Promise<{ status: number; text: string }> {
  const answer = text(
    await exchange(address, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
  );
  return { status: Number(/^HTTP\/1\.1 ([0-9]+)/.exec(answer)?.[1] ?? 0), text: answer };
}
