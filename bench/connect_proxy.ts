// An HTTP proxy that supports only CONNECT, in a process of its own. Prints its port on 127.0.0.1.
import { writeAll } from "../src/system/byte_stream.ts";
import { writeErr, writeOut } from "../src/system/terminal.ts";

async function serve(client: Deno.TcpConn): Promise<void> {
  using near = client;
  near.setNoDelay(true);
  const port = await readConnect(near);
  using target = await Deno.connect({ hostname: "127.0.0.1", port });
  target.setNoDelay(true);
  await near.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
  await Promise.all([copy(near, target), copy(target, near)]);
}

/**
 * Reads the head of a CONNECT request and returns the port. The client waits for the reply, so no
 * byte follows the head.
 */
async function readConnect(client: Deno.TcpConn): Promise<number> {
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!text.endsWith("\r\n\r\n")) {
    const count = await client.read(buffer);
    if (count === null) throw new Error("Cannot read the CONNECT request: the client closed");
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return Number(/^CONNECT [^:]+:([0-9]+) /.exec(text)?.[1]);
}

async function copy(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    await writeAll(to, buffer.subarray(0, count));
  }
  await to.closeWrite();
}

async function acceptAll(listener: Deno.TcpListener): Promise<void> {
  for (;;) serve(await listener.accept()).catch((error) => writeErr(`${error}\n`));
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
writeOut(`${listener.addr.port}\n`);
acceptAll(listener);
for await (const _ of Deno.stdin.readable);
Deno.exit(0);
