import { Buffer } from "node:buffer";
import { parseIpv4 } from "../../lib/ipv4.ts";
import type { DialError } from "../../model/errors.ts";
import { hasCredentials } from "../../model/proxy.ts";
import { type ByteStream, readFull, writeAll } from "../byte_stream.ts";
import {
  credentialsRefused,
  credentialsWanted,
  forbidden,
  outOfReach,
  tunnelFailure,
  type TunnelOptions,
} from "./tunnel_errors.ts";

const VERSION = 5;
/** Methods: no authentication, and user name with password (RFC 1929). */
const OPEN = 0;
const PASSWORD = 2;
const NONE_FITS = 0xff;
const CONNECT = 1;
const [IPV4, NAME, IPV6] = [1, 3, 4];
/** Replies which say that the proxy could not reach the server (RFC 1928 6). */
const OUT_OF_REACH: Readonly<Record<number, string>> = {
  1: "general failure",
  3: "network unreachable",
  4: "host unreachable",
  5: "connection refused",
  6: "TTL expired",
};
const NOT_ALLOWED = 2;

/**
 * Requests a tunnel with SOCKS5 (RFC 1928), with user name and password if configured (RFC 1929).
 * The proxy resolves the name.
 *
 * @throws {DialError} If the proxy opens no tunnel.
 */
export async function askBySocks5(stream: ByteStream, options: TunnelOptions): Promise<void> {
  await logIn(stream, options);
  const { hostname, port } = options;
  await writeAll(stream, Uint8Array.of(VERSION, CONNECT, 0, ...addressOf(hostname), port >> 8, port & 255));
  const [version, reply, , type] = await take(stream, { options, count: 4 });
  if (version !== VERSION) throw notSocks(options);
  if (reply !== 0) throw refusal(reply!, options);
  // The bound address of the proxy precedes the first byte of the server; it is not used.
  const length = type === IPV4 ? 4 : type === IPV6 ? 16 : (await take(stream, { options, count: 1 }))[0]!;
  await take(stream, { options, count: length + 2 });
}

async function logIn(stream: ByteStream, options: TunnelOptions): Promise<void> {
  const { proxy } = options;
  const methods = hasCredentials(proxy) ? [OPEN, PASSWORD] : [OPEN];
  await writeAll(stream, Uint8Array.of(VERSION, methods.length, ...methods));
  const [version, method] = await take(stream, { options, count: 2, first: true });
  if (version !== VERSION) throw notSocks(options);
  if (method === OPEN) return;
  if (method === NONE_FITS && !hasCredentials(proxy)) throw credentialsWanted(options, "socks5");
  if (method !== PASSWORD || !hasCredentials(proxy)) {
    throw tunnelFailure(options, `it offers no authentication method that ngrokd supports (${method})`, {
      hint: "Allow user name and password on the proxy, or connections without authentication",
    });
  }
  const [username, password] = [Buffer.from(proxy.username), Buffer.from(proxy.password)];
  await writeAll(
    stream,
    Uint8Array.of(1, username.length, ...username, password.length, ...password),
  );
  const [, status] = await take(stream, { options, count: 2 });
  if (status !== 0) throw credentialsRefused(options, "socks5");
}

function addressOf(hostname: string): number[] {
  if (parseIpv4(hostname) !== undefined) return [IPV4, ...hostname.split(".").map(Number)];
  const name = Buffer.from(hostname);
  return [NAME, name.length, ...name];
}

/** Reads exactly `count` bytes, because bytes after the reply belong to the server. */
async function take(
  stream: ByteStream,
  { options, count, first = false }: { options: TunnelOptions; count: number; first?: boolean },
): Promise<Uint8Array> {
  const buffer = new Uint8Array(count);
  if (await readFull(stream, buffer)) return buffer;
  throw tunnelFailure(options, `it closed the connection${first ? "" : " during its response"}`);
}

function refusal(reply: number, options: TunnelOptions): DialError {
  if (reply === NOT_ALLOWED) return forbidden(options, "socks5");
  const state = OUT_OF_REACH[reply];
  if (state !== undefined) return outOfReach(options, state);
  return tunnelFailure(options, `it refused a tunnel to ${options.hostname}:${options.port} (${reply})`, {
    hint: "Check that it is a SOCKS5 proxy that allows CONNECT to names",
  });
}

function notSocks(options: TunnelOptions): DialError {
  return tunnelFailure(options, "its response is not SOCKS5", {
    hint: `Check that ${options.proxy.setting} names a SOCKS5 proxy`,
  });
}
