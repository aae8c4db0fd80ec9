// A crowd of clients that hold connections and do nothing useful. Tests run this file as a process
// of its own, with a `Crowd` as JSON; it ends when its standard input does.
import { connect, type Socket } from "node:net";
import process from "node:process";
import { writeOut } from "../../src/system/terminal.ts";

const BLOCK = new Uint8Array(65_536);
const POST = "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1000000000000\r\n\r\n";
/** Clients that connect at the same time. */
const AT_ONCE = 64;

/** The clients of a crowd, and what they do. */
export interface Crowd {
  readonly hostname: string;
  readonly port: number;
  readonly count: number;
  /** The addresses that they connect from, in turns. @default That of the route */
  readonly from?: readonly string[];
  /**
   * `idle` sends nothing, `deaf` reads nothing, `send` sends as much as is taken, and `post` does
   * so as the body of a request for `host`.
   */
  readonly kind: "idle" | "deaf" | "send" | "post";
  /** The Host of requests. */
  readonly host?: string;
}

/** The open connections. */
const sockets = new Set<Socket>();

async function open(crowd: Crowd, number: number): Promise<void> {
  const { hostname, port, from = [], kind, host = hostname } = crowd;
  const localAddress = from[number % from.length];
  const socket = connect({ host: hostname, port, ...(localAddress === undefined ? {} : { localAddress }) });
  sockets.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => sockets.delete(socket));
  if (kind === "deaf") socket.pause();
  else socket.resume();
  await new Promise((resolve) => {
    socket.once("connect", resolve);
    socket.once("close", resolve);
  });
  if (kind === "post") socket.write(POST.replace("HOST", host));
  if (kind === "send" || kind === "post") send(socket);
}

/** Sends blocks as long as the other side takes them. */
function send(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.write(BLOCK)) setTimeout(() => send(socket), 1);
  else socket.once("drain", () => send(socket));
}

if (import.meta.main) {
  const crowd: Crowd = JSON.parse(Deno.args[0]!);
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < crowd.count) await open(crowd, next++);
  }));
  writeOut("ready\n");
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("end", resolve));
  for (const socket of sockets) socket.destroy();
}
