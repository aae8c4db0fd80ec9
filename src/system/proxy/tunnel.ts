import { DialError } from "../../model/errors.ts";
import { type Proxy, showProxy } from "../../model/proxy.ts";
import type { ByteStream } from "../byte_stream.ts";

/** Which tunnel is wanted. */
export interface TunnelOptions {
  readonly proxy: Proxy;
  /** Where it leads to. */
  readonly hostname: string;
  readonly port: number;
  /** For TCP and the proxy's answer together. */
  readonly timeoutMs: number;
  /**
   * Whether to see first that an `https` proxy says anything, by a connection that costs nothing if it does not.
   *
   * @default {true}
   */
  readonly checkFirst?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A connection through a proxy, and the bytes that came with the proxy's answer. */
export interface Tunnel {
  readonly stream: ByteStream;
  readonly early: Uint8Array;
}

/** What went wrong at a proxy, beside the state. */
export interface TunnelFailureOptions {
  /** The next step. @default To look at the setting and the proxy. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** @default {"proxy"} */
  readonly code?: "timeout";
}

/** A failure that names target, proxy and state. */
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

/** What is thrown when the time for a tunnel is over. */
export function silentProxy(options: TunnelOptions): DialError {
  return tunnelFailure(options, `it does not answer in ${Math.round(options.timeoutMs / 10) / 100} s`, {
    code: "timeout",
  });
}

/** The next step where nothing better is known. */
export function checkProxy({ setting }: Proxy): string {
  return `Check ${setting} and the proxy itself`;
}

/** The proxy does not let us to the target. */
export function forbidden(options: TunnelOptions, answer: string): DialError {
  const target = `${options.hostname}:${options.port}`;
  return tunnelFailure(options, `it forbids connections to ${target} (${answer})`, {
    hint: `Have the proxy allow connections to ${target}`,
  });
}

/** The proxy itself does not get to the target. */
export function outOfReach(options: TunnelOptions, answer: string): DialError {
  const target = `${options.hostname}:${options.port}`;
  return tunnelFailure(options, `it cannot reach ${target} (${answer})`, {
    hint: `See whether the proxy resolves and reaches ${target}`,
  });
}

/** The proxy wants credentials and got none. */
export function credentialsWanted(options: TunnelOptions, answer: string): DialError {
  const { scheme, setting } = options.proxy;
  return tunnelFailure(options, `it wants a user name and password (${answer})`, {
    hint: `Write them in ${setting}: ${scheme}://user:password@host:port`,
  });
}

/** The proxy does not take the credentials that it got. */
export function credentialsRefused(options: TunnelOptions, answer: string): DialError {
  return tunnelFailure(options, `it refuses the user name or password (${answer})`, {
    hint: `Correct them in ${options.proxy.setting}; write special characters as %40 and the like`,
  });
}
