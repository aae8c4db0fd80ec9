import { Buffer } from "node:buffer";
import { printable } from "../../lib/printable.ts";
import type { DialError } from "../../model/errors.ts";
import { hasCredentials } from "../../model/proxy.ts";
import { type ByteStream, writeAll } from "../byte_stream.ts";
import {
  credentialsRefused,
  credentialsWanted,
  forbidden,
  outOfReach,
  tunnelFailure,
  type TunnelOptions,
} from "./tunnel_errors.ts";

const MAX_HEAD_BYTES = 16 * 1024;

/**
 * Requests a tunnel with CONNECT (RFC 9110 9.3.6, RFC 7617). Returns the bytes that follow the
 * response head.
 *
 * @throws {DialError} If the proxy opens no tunnel.
 */
export async function askByConnect(stream: ByteStream, options: TunnelOptions): Promise<Uint8Array> {
  const { proxy, hostname, port } = options;
  const server = `${hostname}:${port}`;
  const credentials = Buffer.from(`${proxy.username}:${proxy.password}`).toString("base64");
  const authorization = hasCredentials(proxy) ? `Proxy-Authorization: Basic ${credentials}\r\n` : "";
  await writeAll(
    stream,
    Buffer.from(`CONNECT ${server} HTTP/1.1\r\nHost: ${server}\r\n${authorization}\r\n`),
  );
  const { head, early } = await readHead(stream, options);
  const status = Number(/^HTTP\/1\.[01] ([1-5][0-9]{2})(?: |$)/.exec(head)?.[1] ?? 0);
  if (status < 200 || status > 299) throw refusal(status, { head, options });
  return early;
}

async function readHead(
  stream: ByteStream,
  options: TunnelOptions,
): Promise<{ head: string; early: Uint8Array }> {
  const buffer = Buffer.alloc(MAX_HEAD_BYTES);
  for (let have = 0; have < buffer.length;) {
    const count = await stream.read(buffer.subarray(have));
    if (count === null) {
      throw tunnelFailure(
        options,
        have === 0 ? "it closed the connection" : "it closed the connection during its response",
      );
    }
    // The end of the head may be split over two reads.
    const from = Math.max(0, have - 3);
    have += count;
    if (have >= 5 && buffer.toString("latin1", 0, 5) !== "HTTP/") throw notHttp(options);
    const end = buffer.subarray(0, have).indexOf("\r\n\r\n", from, "latin1");
    if (end < 0) continue;
    const head = buffer.toString("latin1", 0, end).split("\r\n")[0]!;
    return { head, early: buffer.subarray(end + 4, have) };
  }
  throw tunnelFailure(options, `the head of its response is larger than ${MAX_HEAD_BYTES} bytes`);
}

function refusal(status: number, response: { head: string; options: TunnelOptions }): DialError {
  const { head, options } = response;
  const { proxy, hostname, port } = options;
  if (status === 0) return notHttp(options);
  if (status === 407) {
    return hasCredentials(proxy) ? credentialsRefused(options, "407") : credentialsWanted(options, "407");
  }
  if (status === 403) return forbidden(options, "403");
  if (status >= 500) return outOfReach(options, String(status));
  const line = printable(head).slice(0, 100);
  return tunnelFailure(options, `it refused a tunnel to ${hostname}:${port} ("${line}")`, {
    hint: "Check that it is an HTTP proxy that allows CONNECT",
  });
}

function notHttp(options: TunnelOptions): DialError {
  return tunnelFailure(options, "its response is not HTTP", {
    hint: `Check that ${options.proxy.setting} names an HTTP proxy`,
  });
}
