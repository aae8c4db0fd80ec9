/** A response. */
export interface TextResponse {
  readonly status: Status;
  readonly contentType: string;
  readonly body: string;
}

/** A response whose body is encoded, so that several connections can send the same bytes. */
export interface EncodedResponse {
  readonly status: Status;
  readonly contentType: string;
  readonly content: Uint8Array;
}

/** Encodes the body of a response. */
export function encodeBody({ status, contentType, body }: TextResponse): EncodedResponse {
  return { status, contentType, content: new TextEncoder().encode(body) };
}

/** Encodes the head of a response, after which the connection is closed. */
export function encodeHead({ status, contentType, content }: EncodedResponse): Uint8Array {
  return new TextEncoder().encode([
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
