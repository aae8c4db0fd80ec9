import { connect } from "node:net";

/** Where to connect. */
export interface Target {
  readonly hostname: string;
  readonly port: number;
}

/** `a.b.c.d:port` as a target. */
export function parseTarget(address: string): Target {
  const [hostname, port] = address.split(":");
  return { hostname: hostname!, port: Number(port) };
}

/** How something is repeated. */
export interface RepeatOptions {
  readonly parallel: number;
  readonly task: (index: number) => Promise<void>;
}

/** How many tries failed, and why the first did. */
export interface RepeatResult {
  readonly failures: number;
  readonly first: unknown;
}

/** Runs `count` tasks, `parallel` at a time; gives how many failed, and the first failure. */
export async function repeat(count: number, options: RepeatOptions): Promise<RepeatResult> {
  const { parallel, task } = options;
  let next = 0;
  let failures = 0;
  let first: unknown;
  async function worker(): Promise<void> {
    while (next < count) {
      try {
        await task(next++);
      } catch (error) {
        failures++;
        first ??= error;
      }
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker));
  return { failures, first };
}

/** One connection to an echo service: sends the bytes, half-closes, and demands exactly the same bytes back. */
export async function echoOnce(target: Target, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  using conn = await Deno.connect(target);
  const sending = writeAll(conn, bytes).then(() => conn.closeWrite());
  const received = await readAll(conn, bytes.length);
  await sending;
  if (received.length !== bytes.length || !received.every((byte, index) => byte === bytes[index])) {
    throw new Error(`Cannot trust the echo: ${received.length} of ${bytes.length} bytes, or other ones`);
  }
}

/** One connection that is reset after the first answer. By way of node:net: the runtime's own close sends FIN, whatever is unread. */
export function resetOnce(target: Target): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: target.hostname, port: target.port });
    socket.once("connect", () => socket.write(new Uint8Array(64)));
    socket.once("data", () => socket.resetAndDestroy());
    socket.once("error", reject);
    socket.once("close", () => resolve());
  });
}

/** Sends `size` pseudo-random bytes through an echo service while reading them back; demands equal hashes. */
export async function hashBothWays(target: Target, size: number): Promise<void> {
  using conn = await Deno.connect(target);
  const block = crypto.getRandomValues(new Uint8Array(65_536));
  const { createHash } = await import("node:crypto");
  const sent = createHash("sha256");
  const got = createHash("sha256");
  async function send(): Promise<void> {
    for (let left = size; left > 0; left -= block.length) {
      const part = block.subarray(0, Math.min(left, block.length));
      part[0] = left & 255;
      sent.update(part);
      await writeAll(conn, part.slice());
    }
    await conn.closeWrite();
  }
  const sending = send();
  const buffer = new Uint8Array(262_144);
  let count = 0;
  for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
    got.update(buffer.subarray(0, n));
    count += n;
  }
  await sending;
  if (count !== size || sent.digest("hex") !== got.digest("hex")) {
    throw new Error(`Cannot trust the transfer: ${count} of ${size} bytes, or other ones`);
  }
}

/** `rounds` times a message of 4 bytes there and back on one connection. */
export async function pingPong(target: Target, rounds: number): Promise<void> {
  using conn = await Deno.connect(target);
  conn.setNoDelay(true);
  for (let round = 0; round < rounds; round++) {
    const message = new Uint8Array([round & 255, round >> 8, 1, 2]);
    await writeAll(conn, message);
    const back = await readAll(conn, 4, 4);
    if (!back.every((byte, index) => byte === message[index])) {
      throw new Error(`Cannot trust the answer of round ${round}`);
    }
  }
}

/** Sends the bytes one by one, each in a write of its own, and demands them back. */
export async function singleBytes(target: Target, count: number): Promise<void> {
  using conn = await Deno.connect(target);
  conn.setNoDelay(true);
  const reading = readAll(conn, count);
  for (let index = 0; index < count; index++) await conn.write(new Uint8Array([index % 251]));
  await conn.closeWrite();
  const back = await reading;
  if (back.length !== count || !back.every((byte, index) => byte === index % 251)) {
    throw new Error(`Cannot trust the bytes: ${back.length} of ${count}`);
  }
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}

/** Reads to the end of the stream, or up to `stopAt` bytes. */
async function readAll(conn: Deno.TcpConn, expected: number, stopAt = Infinity): Promise<Uint8Array> {
  const all = new Uint8Array(expected + 1);
  let size = 0;
  while (size < stopAt) {
    const n = await conn.read(all.subarray(size));
    if (n === null) break;
    size += n;
    if (size > expected) throw new Error("Cannot trust the answer: more bytes than were sent");
  }
  return all.subarray(0, size);
}
