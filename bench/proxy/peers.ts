// The far end or the proxy, in a process of its own: its work must not count for ours. Started by start_peer.ts.
import net from "node:net";
import { createServer, type Server } from "node:tls";
import { writeOut } from "../../src/system/terminal.ts";
import type { PeerOrder } from "./start_peer.ts";

const CHUNK = new Uint8Array(64 * 1024);

/** Takes a first byte: `d` sends so many bytes, `u` swallows all and answers one byte. */
function farEnd(order: Extract<PeerOrder, { role: "far" }>): Server {
  const { cert, key, ca, bytes } = order;
  return createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (socket) => {
    socket.on("error", () => {});
    socket.once("data", (first) => {
      if (first[0] === 0x64) {
        let left = bytes;
        const pump = (): void => {
          while (left > 0) {
            left -= CHUNK.length;
            if (!socket.write(CHUNK)) return void socket.once("drain", pump);
          }
          socket.end();
        };
        pump();
      } else {
        socket.on("data", () => {});
        socket.on("end", () => socket.end("k"));
      }
    });
  });
}

/** CONNECT and no more. */
function plainProxy(): net.Server {
  return net.createServer({ allowHalfOpen: true }, (client) => {
    client.on("error", () => {});
    client.once("data", (head) => {
      const port = Number(/^CONNECT [^:]+:([0-9]+)/.exec(head.toString())?.[1]);
      const far = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        client.pipe(far);
        far.pipe(client);
      });
      far.on("error", () => client.destroy());
    });
  });
}

const order: PeerOrder = JSON.parse(await new Response(Deno.stdin.readable).text());
const server: net.Server = order.role === "far" ? farEnd(order) : plainProxy();
server.listen(0, "127.0.0.1", () => writeOut(String((server.address() as net.AddressInfo).port)));
