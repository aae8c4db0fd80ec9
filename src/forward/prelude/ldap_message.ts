/** A complete request for StartTLS. */
export interface StartTlsRequest {
  /** The encoded message id, which the answer repeats. */
  readonly id: Uint8Array;
  /** The length of the whole message. */
  readonly length: number;
}

/** The extended request 1.3.6.1.4.1.1466.20037 (RFC 4511 4.14.1). */
export const START_TLS_OID: Uint8Array = new TextEncoder().encode("1.3.6.1.4.1.1466.20037");
const SEQUENCE = 0x30;
const INTEGER = 2;
const EXTENDED_REQUEST = 0x77;
const EXTENDED_RESPONSE = 0x78;
const REQUEST_NAME = 0x80;
const ENUMERATED = 0x0a;
/** A message with a long id, and without a value or controls, which StartTLS has none of. */
const MAX_REQUEST_BYTES = 64;
const MAX_ID_BYTES = 4;
/** Enough for an answer with a diagnostic message. */
const MAX_ANSWER_BYTES = 4096;

/** The StartTLS request of ngrokd to a server. */
export const START_TLS: Uint8Array = Uint8Array.of(
  ...[SEQUENCE, 7 + START_TLS_OID.length, INTEGER, 1, 1],
  ...[EXTENDED_REQUEST, 2 + START_TLS_OID.length, REQUEST_NAME, START_TLS_OID.length, ...START_TLS_OID],
);

/** Recognises an LDAP client that begins with StartTLS; undefined for anything else. */
export function sniffStartTls(bytes: Uint8Array): StartTlsRequest | undefined | "more" {
  const length = 2 + (bytes[1] ?? 0);
  const idLength = bytes[3] ?? 1;
  const head = [SEQUENCE, bytes[1], INTEGER];
  if (head.some((byte, index) => index < bytes.length && bytes[index] !== byte)) return undefined;
  if (length > MAX_REQUEST_BYTES || idLength < 1 || idLength > MAX_ID_BYTES) return undefined;
  if (bytes.length < 2 || bytes.length < length) return "more";
  const operation = bytes.subarray(4 + idLength, length);
  const expected = Uint8Array.of(
    EXTENDED_REQUEST,
    2 + START_TLS_OID.length,
    REQUEST_NAME,
    START_TLS_OID.length,
    ...START_TLS_OID,
  );
  if (operation.length !== expected.length) return undefined;
  if (operation.some((byte, index) => byte !== expected[index])) return undefined;
  return { id: bytes.slice(2, 4 + idLength), length };
}

/** Returns the response "success" to a StartTLS request. */
export function startTlsSuccess({ id }: StartTlsRequest): Uint8Array {
  const result = [ENUMERATED, 1, 0, 4, 0, 4, 0];
  return Uint8Array.of(
    ...[SEQUENCE, id.length + 2 + result.length, ...id, EXTENDED_RESPONSE, result.length, ...result],
  );
}

/**
 * Returns the length of the message that begins with these bytes, at most 4 KiB; undefined if they
 * are no LDAP message, "more" if they do not show it yet.
 */
export function messageLength(bytes: Uint8Array): number | undefined | "more" {
  if (bytes.length > 0 && bytes[0] !== SEQUENCE) return undefined;
  const first = bytes[1];
  if (first === undefined) return "more";
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 4 || first === 0x80) return undefined;
  if (bytes.length < 2 + lengthBytes) return "more";
  const body = lengthBytes === 0
    ? first
    : bytes.subarray(2, 2 + lengthBytes).reduce((length, byte) => length * 256 + byte, 0);
  const length = 2 + lengthBytes + body;
  return length <= MAX_ANSWER_BYTES ? length : undefined;
}

/** Returns the result code of a complete ExtendedResponse; undefined if it is none. */
export function resultCode(message: Uint8Array): number | undefined {
  const start = message[1]! < 0x80 ? 2 : 2 + (message[1]! & 0x7f);
  if (message[start] !== INTEGER) return undefined;
  const operation = start + 2 + message[start + 1]!;
  if (message[operation] !== EXTENDED_RESPONSE) return undefined;
  const lengthByte = message[operation + 1] ?? 0;
  const result = operation + (lengthByte < 0x80 ? 2 : 2 + (lengthByte & 0x7f));
  return message[result] === ENUMERATED && message[result + 1] === 1 ? message[result + 2] : undefined;
}
