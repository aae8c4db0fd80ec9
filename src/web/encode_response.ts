/** A response to encode. */
export interface TextResponse {
  readonly status: Status;
  readonly contentType: string;
  readonly body: string;
}

/** Encodes a response, after which the connection is closed. A HEAD request gets no body. */
export function encodeResponse(response: TextResponse, options: { isHead?: boolean } = {}): Uint8Array {
  const { status, contentType, body } = response;
  const encoder = new TextEncoder();
  const content = encoder.encode(body);
  const head = encoder.encode([
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${content.length}`,
    `Date: ${new Date().toUTCString()}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    ...(status === 405 ? ["Allow: GET, HEAD"] : []),
    "Connection: close",
    "\r\n",
  ].join("\r\n"));
  if (options.isHead) return head;
  const bytes = new Uint8Array(head.length + content.length);
  bytes.set(head);
  bytes.set(content, head.length);
  return bytes;
}

const REASONS = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
} as const;

/** A status that the health server answers with. */
export type Status = keyof typeof REASONS;
