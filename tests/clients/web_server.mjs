// A web server, as `node web_server.mjs NAME PORT`. It answers each request with its own name and
// the Host, and echoes the first text message of each WebSocket (RFC 6455).
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const [name, port] = process.argv.slice(2);
const server = createServer((request, response) => response.end(`${name} ${request.headers.host}\n`));
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"];
  if (key === undefined) return socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.on("error", () => {});
  socket.on("end", () => socket.end());
  socket.on("data", (frame) => {
    const length = frame[1] & 0x7f;
    const mask = frame.subarray(2, 6);
    const text = frame.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]);
    socket.write(Buffer.concat([Buffer.from([frame[0], length]), text]));
    if ((frame[0] & 0x0f) === 8) socket.end();
  });
});
server.listen(Number(port), "127.0.0.1");
