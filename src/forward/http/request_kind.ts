import { switchOf } from "./frame_requests.ts";
import type { RequestHead } from "./parse_head.ts";
import type { RequestKind } from "./parse_response.ts";

/** Returns the part of a request that decides where its response ends. */
export function kindOf(head: RequestHead): RequestKind {
  const kind = switchOf(head);
  if (head.method !== "HEAD") return kind ?? "other";
  return kind === undefined ? "head" : "head_upgrade";
}

/** Returns true if the client closes the connection after the response. */
export function asksToClose({ fields }: RequestHead): boolean {
  return fields.some(({ name, value }) =>
    name === "connection" && value.toLowerCase().split(/[ \t,]+/).includes("close")
  );
}

/**
 * Returns true for HTTP/1.0, which knows no interim response and no chunks, and for another
 * spelling of HEAD, which some clients (the JDK's) treat as HEAD.
 */
export function mayMisread({ method, isHttp10 }: RequestHead): boolean {
  return isHttp10 || (method !== "HEAD" && method.toUpperCase() === "HEAD");
}
