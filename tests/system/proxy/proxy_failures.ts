import assert from "node:assert/strict";
import { ApiError, DialError } from "../../../src/model/errors.ts";
import type { Proxy } from "../../../src/model/proxy.ts";
import type { ProxyMode } from "../../fakes/connect_proxy.ts";

/** The password in the tests, with characters that a URL encodes. */
export const SECRET = "top/s3cret@päss";
/** The API key in the tests. */
export const KEY = "topkey";

/** A proxy at this port of 127.0.0.1, from the setting `HTTPS_PROXY`. */
export function proxyAt(port: number, fields: Partial<Proxy> = {}): Proxy {
  const setting = "HTTPS_PROXY";
  return { scheme: "http", hostname: "127.0.0.1", port, username: "", password: "", setting, ...fields };
}

/**
 * The failure of a request or a dial through a proxy. Asserts that its message names the proxy, and
 * that neither message, hint nor cause shows the password or the API key.
 */
export async function failureOf(task: Promise<unknown>): Promise<ProxyFailure> {
  const error = await task.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof ApiError || error instanceof DialError, String(error));
  const { code, message, hint = "" } = error;
  const shown = JSON.stringify([message, hint, Deno.inspect(error), String(error.cause)]);
  const encoded = new TextEncoder().encode(`user:${SECRET}`).toBase64();
  for (const secret of [SECRET, encoded, KEY]) assert.ok(!shown.includes(secret), shown);
  const [, state] = /^Cannot .* through the proxy [a-z0-9]+:\/\/[a-z0-9.]+:[0-9]+: (.*)$/.exec(message) ?? [];
  assert.ok(state !== undefined, message);
  assert.notEqual(hint, "");
  return { code, state, hint };
}

/** A failure: its code, the message after the name of the proxy, and the hint. */
export interface ProxyFailure {
  readonly code: string;
  readonly state: string;
  readonly hint: string;
}

/** The failure of an HTTP proxy in each mode, for a connection to `hostname:443`. */
export function connectFailures(
  hostname: string,
): readonly (readonly [mode: ProxyMode, code: string, state: string, hint: RegExp])[] {
  const target = `${hostname}:443`;
  const check = /^Check HTTPS_PROXY/;
  return [
    ["forbid", "proxy", `it forbids connections to ${target} (403)`, /^Allow connections to /],
    ["bad_gateway", "proxy", `it cannot reach ${target} (502)`, /resolves and reaches [a-z.]+:443/],
    ["hang", "timeout", "no response within 0.3 s", /^Check HTTPS_PROXY and the proxy/],
    ["close", "proxy", "it closed the connection", check],
    ["close_in_answer", "proxy", "it closed the connection during its response", check],
    ["garbage", "proxy", "its response is not HTTP", /^Check that HTTPS_PROXY names an HTTP proxy$/],
    ["huge_head", "proxy", "the head of its response is larger than 16384 bytes", check],
  ];
}

/** The time limit for a proxy in this mode: short if it never answers. */
export function timeoutFor(mode: unknown): number {
  return mode === "hang" ? 300 : 5000;
}
