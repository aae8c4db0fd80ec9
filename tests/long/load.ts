import { createHash } from "node:crypto";
import { connect } from "node:net";
import { readFull, writeAll } from "../../src/system/byte_stream.ts";
import { dial, exchange } from "../e2e/client.ts";
import { readAll } from "../fakes/memory_stream.ts";

/** Runs a task `count` times, `parallel` at a time. */
export async function repeat(count: number, options: RepeatOptions): Promise<RepeatResult> {
  const { parallel, task } = options;
  let next = 0;
  let failures = 0;
  let first: unknown;
  async function worker(): Promise<void> {
    while (next++ < count) {
      try {
        await task();
      } catch (error) {
        failures++;
        first ??= error;
      }
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker));
  return { failures, first };
}

/** Options of {@linkcode repeat}. */
export interface RepeatOptions {
  readonly parallel: number;
  readonly task: () => Promise<void>;
}

/** The number of runs that failed, and the first error. */
export interface RepeatResult {
  readonly failures: number;
  readonly first: unknown;
}

/**
 * Sends bytes to an echo service at `address:port`, half-closes and reads to the end.
 *
 * @throws {Error} If other bytes come back.
 */
export async function echoOnce(address: string, bytes: Uint8Array): Promise<void> {
  assertEcho(await exchange(address, bytes), bytes);
}

/**
 * Resets a connection to an echo service after the first bytes of the echo. It uses `node:net`,
 * because a close of Deno sends FIN.
 */
export function resetOnce(address: string): Promise<void> {
  const [host, port] = address.split(":");
  return new Promise((resolve, reject) => {
    const socket = connect({ host: host!, port: Number(port) });
    socket.once("connect", () => socket.write(new Uint8Array(64)));
    socket.once("data", () => socket.resetAndDestroy());
    socket.once("error", reject);
    socket.once("close", () => resolve());
  });
}

/**
 * Sends `size` random bytes through an echo service while it reads them back.
 *
 * @throws {Error} If the number of bytes or the SHA-256 differs.
 */
export async function hashBothWays(address: string, size: number): Promise<void> {
  using conn = await dial(address);
  const [sent, received] = [createHash("sha256"), createHash("sha256")];
  async function send(): Promise<void> {
    const block = crypto.getRandomValues(new Uint8Array(65_536));
    for (let left = size; left > 0; left -= block.length) {
      const part = block.slice(0, left);
      // Neighbours differ, so that an exchange of two blocks is noticed.
      part[0] = (left / block.length) & 255;
      sent.update(part);
      await writeAll(conn, part);
    }
    await conn.closeWrite();
  }
  const sending = send();
  const buffer = new Uint8Array(262_144);
  let count = 0;
  for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
    received.update(buffer.subarray(0, n));
    count += n;
  }
  await sending;
  if (count !== size || sent.digest("hex") !== received.digest("hex")) {
    throw new Error(`Cannot verify the transfer: ${count} bytes of ${size}, or other bytes`);
  }
}

/**
 * Sends a message of 4 bytes and waits for its echo, `rounds` times on one connection.
 *
 * @throws {Error} If other bytes come back.
 */
export async function pingPong(address: string, rounds: number): Promise<void> {
  using conn = await dial(address);
  conn.setNoDelay(true);
  const echo = new Uint8Array(4);
  for (let round = 0; round < rounds; round++) {
    const message = new Uint8Array([round & 255, round >> 8, 1, 2]);
    await writeAll(conn, message);
    await readFull(conn, echo);
    assertEcho(echo, message);
  }
}

/** Sends bytes in a write each. @throws {Error} If other bytes come back. */
export async function sendSingleBytes(address: string, count: number): Promise<void> {
  using conn = await dial(address);
  conn.setNoDelay(true);
  const bytes = Uint8Array.from({ length: count }, (_, index) => index % 251);
  const reading = readAll(conn);
  for (let index = 0; index < count; index++) await conn.write(bytes.subarray(index, index + 1));
  await conn.closeWrite();
  assertEcho(await reading, bytes);
}

function assertEcho(received: Uint8Array, sent: Uint8Array): void {
  if (received.length !== sent.length || !received.every((byte, index) => byte === sent[index])) {
    throw new Error(`Cannot verify the echo: ${received.length} bytes for ${sent.length}, or other bytes`);
  }
}
