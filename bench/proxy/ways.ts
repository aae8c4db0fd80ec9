import net from "node:net";
import { connect as connectNode, type TLSSocket } from "node:tls";
import type { Proxy } from "../../src/model/proxy.ts";
import type { ByteStream } from "../../src/system/byte_stream.ts";
import { connectTls } from "../../src/system/net.ts";
import { openRelay } from "../../src/system/proxy/relay.ts";

/** `d`: down, from the far end; `u`: up; `none`: connect and close. */
export type Direction = "d" | "u" | "none";

/** One way to the far end. */
export interface Way {
  readonly name: "direct" | "relay" | "proxy + relay" | "proxy + node:tls";
  /** Opens, moves bytes in one direction, and closes. */
  readonly move: (direction: Direction) => Promise<void>;
}

/** The peers, and what it takes to get there. Key, certificate and CA are PEM. */
export interface WayOptions {
  readonly hostname: string;
  readonly farPort: number;
  readonly proxyPort: number;
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  /** What is moved each time. */
  readonly bytes: number;
}

const CHUNK = new Uint8Array(64 * 1024);
const SERVER_NAME = Symbol.for("unstableServerName");

/** All ways. */
export function waysTo(options: WayOptions): readonly Way[] {
  const { hostname, farPort: port, proxyPort, cert, key, ca, bytes } = options;
  const dial = { hostname, port, cert, key, caCerts: [ca], timeoutMs: 10_000 };
  const proxy: Proxy = {
    scheme: "http",
    hostname: "127.0.0.1",
    port: proxyPort,
    username: "",
    password: "",
    setting: "proxy_url",
  };
  const over = (open: () => Promise<ByteStream>) => async (direction: Direction) =>
    await moveOver(await open(), { direction, bytes });
  return [
    { name: "direct", move: over(() => connectTls(dial)) },
    { name: "relay", move: over(() => openRelayed(options)) },
    { name: "proxy + relay", move: over(() => connectTls({ ...dial, proxy })) },
    { name: "proxy + node:tls", move: (direction) => moveByNode(direction, options) },
  ];
}

/** The relay as the daemon uses it, but to the far end itself: what it costs apart from the proxy. */
async function openRelayed({ hostname, farPort, cert, key, ca }: WayOptions): Promise<ByteStream> {
  const far = await Deno.connect({ hostname: "127.0.0.1", port: farPort });
  far.setNoDelay(true);
  const relay = openRelay({ stream: far, early: new Uint8Array() });
  const where = {
    hostname: "127.0.0.1",
    port: relay.port,
    cert,
    key,
    caCerts: [ca],
    [SERVER_NAME]: hostname,
  };
  const tls = await Deno.connectTls(where);
  await relay.accept((tls.localAddr as Deno.NetAddr).port);
  await tls.handshake();
  return {
    read: (buffer) => tls.read(buffer),
    write: (data) => tls.write(data),
    closeWrite: () => tls.closeWrite(),
    close() {
      tls.close();
      relay.close();
    },
  };
}

async function moveOver(
  stream: ByteStream,
  { direction, bytes }: { direction: Direction; bytes: number },
): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  if (direction !== "none") await stream.write(new TextEncoder().encode(direction));
  if (direction === "u") {
    for (let sent = 0; sent < bytes;) sent += await stream.write(CHUNK);
    await stream.closeWrite();
  }
  if (direction !== "none") { while (await stream.read(buffer) !== null); }
  stream.close();
}

async function moveByNode(direction: Direction, options: WayOptions): Promise<void> {
  const { hostname, farPort, proxyPort, cert, key, ca, bytes } = options;
  const raw = net.connect({ host: "127.0.0.1", port: proxyPort });
  await new Promise<void>((resolve, reject) => {
    raw.once("error", reject);
    raw.write(`CONNECT ${hostname}:${farPort} HTTP/1.1\r\n\r\n`);
    raw.once("data", () => resolve());
  });
  const socket: TLSSocket = connectNode({ socket: raw, servername: hostname, cert, key, ca: [ca] });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  if (direction !== "none") {
    const ended = new Promise<void>((resolve) => socket.once("end", resolve));
    socket.on("data", () => {});
    socket.write(direction);
    if (direction === "u") {
      for (let sent = 0; sent < bytes; sent += CHUNK.length) {
        if (!socket.write(CHUNK)) {
          await new Promise<void>((resolve) => socket.once("drain", () => resolve()));
        }
      }
      socket.end();
    }
    await ended;
  }
  socket.destroy();
}
