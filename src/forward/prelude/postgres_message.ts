/**
 * The first message of a PostgreSQL client that does not begin with TLS. `ssl` and `gss` ask for
 * encryption, `cancel` ends a query of another connection, `startup` opens a session without
 * encryption.
 */
export type PostgresMessage = "ssl" | "gss" | "cancel" | "startup";

/** The bytes of an SSLRequest (PostgreSQL 55.2.10). */
export const SSL_REQUEST: Uint8Array = Uint8Array.of(0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f);
/** The answers to an SSLRequest or a GSSENCRequest: yes, and no. */
export const ACCEPT = 0x53;
export const DECLINE = 0x4e;

/** Every first message begins with its length, which has at least two zero bytes. */
const FIRST_BYTE = 0;
const HEADER_BYTES = 8;
/** The codes in the place of the protocol version, with the length of each message. */
const REQUESTS: Readonly<Record<number, { readonly message: PostgresMessage; readonly length: number }>> = {
  80877102: { message: "cancel", length: 16 },
  80877103: { message: "ssl", length: 8 },
  80877104: { message: "gss", length: 8 },
};
const MAJOR_VERSION = 3;
/** The server accepts no longer one. */
const MAX_STARTUP_BYTES = 10_000;

/**
 * Recognises the first message of a PostgreSQL client by its header; undefined for anything else.
 * Neither TLS nor HTTP begins with a zero byte.
 */
export function sniffPostgres(bytes: Uint8Array): PostgresMessage | undefined | "more" {
  if (bytes[0] !== FIRST_BYTE || bytes.length > 1 && bytes[1] !== FIRST_BYTE) return undefined;
  if (bytes.length < HEADER_BYTES) return "more";
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(0);
  const code = view.getUint32(4);
  const request = REQUESTS[code];
  if (request !== undefined) return request.length === length ? request.message : undefined;
  const isStartup = code >>> 16 === MAJOR_VERSION && length > HEADER_BYTES && length <= MAX_STARTUP_BYTES;
  return isStartup ? "startup" : undefined;
}

/** Returns an ErrorResponse, which clients show as `FATAL: …` (PostgreSQL 55.8). */
export function postgresError(reason: string, hint: string): Uint8Array {
  // 08004: the server rejected the connection.
  const fields = [["S", "FATAL"], ["V", "FATAL"], ["C", "08004"], ["M", reason], ["H", hint]];
  const body = new TextEncoder().encode(`${fields.map(([type, text]) => `${type}${text}\0`).join("")}\0`);
  const message = new Uint8Array(5 + body.length);
  message[0] = "E".charCodeAt(0);
  new DataView(message.buffer).setUint32(1, 4 + body.length);
  message.set(body, 5);
  return message;
}
