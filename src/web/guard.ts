const MAX_BODY_BYTES = 1024 * 1024;
const IPV4 = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/;

/**
 * Refuses requests that a health probe never sends and a web page in a local browser might
 * (docs/reliability.md R12): a Host that is a name (DNS rebinding), a foreign Origin or Referer,
 * another method than GET and HEAD, a large body. `address` is the address that the server listens
 * on.
 */
export function checkRequest(request: GuardedRequest, address: string): Refusal | undefined {
  const { method, url, headers } = request;
  const host = headers.get("host");
  // In HTTP/1.1 the URL's host is the Host header's; HTTP/2 and an absolute request target have
  // only the URL's.
  const { host: urlHost } = new URL(url);
  if (!isOwnHost(urlHost, address) || (host !== null && !isOwnHost(host, address))) {
    return { status: 403, reason: "the Host header must be an IP address or localhost" };
  }
  for (const name of ["origin", "referer"]) {
    const value = headers.get(name);
    if (value !== null && hostOf(value) !== urlHost) {
      return { status: 403, reason: `the ${name} is another site` };
    }
  }
  if (method !== "GET" && method !== "HEAD") return { status: 405, reason: "only GET and HEAD are served" };
  if (Number(headers.get("content-length") ?? 0) > MAX_BODY_BYTES) {
    return { status: 413, reason: "the body is too large" };
  }
  return undefined;
}

/** The parts of a request that decide whether it is refused. */
export interface GuardedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
}

/** The status and the text of a refusal. */
export interface Refusal {
  readonly status: 403 | 405 | 413;
  readonly reason: string;
}

function isOwnHost(host: string, address: string): boolean {
  const name = host.toLowerCase().replace(/:[0-9]*$/, "");
  return name === "localhost" || name === address.toLowerCase() || IPV4.test(name) ||
    /^\[[0-9a-f:.]+\]$/.test(name);
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined;
}
