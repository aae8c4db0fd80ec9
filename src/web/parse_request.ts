import type { GuardedRequest, Refusal } from "./guard.ts";

const MAX_FIELDS = 100;
const REQUEST_LINE = /^([A-Z]{1,20}) ([\x21-\x7e]+) HTTP\/1\.[01]$/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * Parses the head of a request, without its empty line. `address` takes the place of a missing
 * Host, which old probes do not send.
 */
export function parseRequest(head: string, address: string): GuardedRequest | Refusal {
  const [line = "", ...rest] = head.split("\n").map((line) => line.endsWith("\r") ? line.slice(0, -1) : line)
    .filter((line) => line !== "");
  const [, method, target] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || target === undefined) return bad("the request line is not of HTTP/1.1");
  if (rest.length > MAX_FIELDS) {
    return { status: 431, reason: `there are more than ${MAX_FIELDS} header fields` };
  }
  const headers = new Map<string, string>();
  for (const field of rest) {
    const colon = field.indexOf(":");
    const name = field.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = field.slice(colon + 1).trim();
    if (!NAME.test(name) || CONTROL.test(value)) return bad("a header field is malformed");
    const earlier = headers.get(name);
    if (earlier !== undefined && name === "host") return bad("there is more than one Host header");
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  const url = /^https?:\/\//i.test(target) ? target : `http://${headers.get("host") ?? address}${target}`;
  const isPath = target.startsWith("/") || url === target;
  if (!isPath || !URL.canParse(url)) return bad("the request target or the Host header is malformed");
  return { method, url, headers };
}

function bad(reason: string): Refusal {
  return { status: 400, reason };
}
