import { isListed, normalizeHostname } from "../lib/hostname.ts";

const MAX_BODY_BYTES = 1024 * 1024;
/** A host name of 253 characters, a final dot and a port. */
const MAX_HOST_LENGTH = 260;
const IPV4 = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/;

/**
 * Refuses requests that a health probe never sends and a web page in a local browser might
 * (docs/reliability.md R12): a Host that is a name (DNS rebinding), a foreign Origin or Referer, a
 * request that another site caused, another method than GET and HEAD, a large body.
 */
export function checkRequest(request: GuardedRequest, options: GuardOptions): Refusal | undefined {
  const { method, url, headers } = request;
  const host = headers.get("host");
  // The URL's host is the Host header's, except for an absolute request target.
  const { host: urlHost } = new URL(url);
  if (!isOwnHost(urlHost, options) || (typeof host === "string" && !isOwnHost(host, options))) {
    return {
      status: 403,
      reason: "the Host header must be an IP address, localhost, or a name in server.health_hosts",
    };
  }
  for (const name of ["origin", "referer"]) {
    const value = headers.get(name);
    if (typeof value === "string" && hostOf(value) !== urlHost) {
      return { status: 403, reason: `the ${name} is another site` };
    }
  }
  if (headers.get("sec-fetch-site")?.toLowerCase() === "cross-site") {
    return { status: 403, reason: "another site caused the request" };
  }
  if (method !== "GET" && method !== "HEAD") return { status: 405, reason: "only GET and HEAD are served" };
  if (Number(headers.get("content-length") ?? 0) > MAX_BODY_BYTES) {
    return { status: 413, reason: "the body is too large" };
  }
  return undefined;
}

/** The hosts that a request may be for. */
export interface GuardOptions {
  /** The address that the server listens on. */
  readonly address: string;
  /** Further names; `*.suffix` is every name below the suffix. */
  readonly hostNames: readonly string[];
}

/** The parts of a request that decide whether it is refused. */
export interface GuardedRequest {
  readonly method: string;
  readonly url: string;
  /** The header fields by their names in lower case. */
  readonly headers: { get(name: string): string | null | undefined };
}

/** The status and the text of a refusal. */
export interface Refusal {
  readonly status: 400 | 403 | 405 | 413 | 431;
  readonly reason: string;
}

function isOwnHost(host: string, { address, hostNames }: GuardOptions): boolean {
  if (host.length > MAX_HOST_LENGTH) return false;
  const name = normalizeHostname(host.replace(/:[0-9]*$/, ""));
  return name === "localhost" || name === address.toLowerCase() || IPV4.test(name) ||
    /^\[[0-9a-f:.]+\]$/i.test(name) || isListed(name, hostNames);
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined;
}
