import { seconds } from "../../lib/seconds.ts";
import { DialError } from "../../model/errors.ts";
import { type Proxy, showProxy } from "../../model/proxy.ts";
import type { ByteStream } from "../byte_stream.ts";

/** A connection through a proxy, and the bytes that followed the proxy's response. */
export interface Tunnel {
  readonly stream: ByteStream;
  readonly early: Uint8Array;
}

/** Makes an error that names server, proxy and state. */
export function tunnelFailure(
  { proxy, hostname, port }: TunnelOptions,
  state: string,
  options: TunnelFailureOptions = {},
): DialError {
  const { hint = checkProxy(proxy), code = "proxy", cause } = options;
  return new DialError(
    `Cannot connect to ${hostname}:${port} through the proxy ${showProxy(proxy)}: ${state}`,
    { code, hint, cause },
  );
}

/** Options of {@linkcode tunnelFailure}. */
export interface TunnelFailureOptions {
  /** @default {checkProxy} */
  readonly hint?: string;
  readonly cause?: unknown;
  /** @default {"proxy"} */
  readonly code?: "timeout";
}

/** The tunnel to open. */
export interface TunnelOptions {
  readonly proxy: Proxy;
  /** The server at the end of the tunnel. */
  readonly hostname: string;
  readonly port: number;
  /** The limit for TCP and the proxy's response together. */
  readonly timeoutMs: number;
  /**
   * If true, checks first that an `https` proxy answers, on a connection that can be closed.
   *
   * @default {true}
   */
  readonly checkFirst?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Makes the error for a proxy that does not answer in time. */
export function silentProxy(options: TunnelOptions): DialError {
  return tunnelFailure(options, `no response within ${seconds(options.timeoutMs)} s`, {
    code: "timeout",
  });
}

/** Returns the general hint: check the setting and the proxy. */
export function checkProxy({ setting }: Proxy): string {
  return `Check ${setting} and the proxy`;
}

/** Makes the error for a proxy that forbids the server. */
export function forbidden(options: TunnelOptions, response: string): DialError {
  const server = `${options.hostname}:${options.port}`;
  return tunnelFailure(options, `it forbids connections to ${server} (${response})`, {
    hint: `Allow connections to ${server} on the proxy`,
  });
}

/** Makes the error for a proxy that cannot reach the server. */
export function outOfReach(options: TunnelOptions, response: string): DialError {
  const server = `${options.hostname}:${options.port}`;
  return tunnelFailure(options, `it cannot reach ${server} (${response})`, {
    hint: `Check that the proxy resolves and reaches ${server}`,
  });
}

/** Makes the error for a proxy that demands credentials. */
export function credentialsWanted(options: TunnelOptions, response: string): DialError {
  const { scheme, setting } = options.proxy;
  return tunnelFailure(options, `it demands a user name and password (${response})`, {
    hint: `Write them in ${setting}: ${scheme}://user:password@host:port`,
  });
}

/** Makes the error for a proxy that refuses the credentials. */
export function credentialsRefused(options: TunnelOptions, response: string): DialError {
  return tunnelFailure(options, `it refused the user name or password (${response})`, {
    hint: `Correct them in ${options.proxy.setting}; write special characters percent-encoded, such as %40`,
  });
}
