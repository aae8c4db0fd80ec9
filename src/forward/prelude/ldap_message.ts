import { readElement, readHeader } from "./ber.ts";

/** A complete request for StartTLS. */
export interface StartTlsRequest {
  /** The bytes of the message id, which the answer repeats. */
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
/** A message with a long id and long lengths, without a value or controls: StartTLS has none. */
const MAX_REQUEST_BYTES = 64;
/** The content of a message with a short id and short lengths. */
const MIN_CONTENT_BYTES = 7 + START_TLS_OID.length;
const MAX_ID_BYTES = 4;
/** Enough for an answer with a diagnostic message. */
export const MAX_ANSWER_BYTES = 4096;

/** The StartTLS request of ngrokd to a server. */
export const START_TLS: Uint8Array = Uint8Array.of(
  ...[SEQUENCE, 7 + START_TLS_OID.length, INTEGER, 1, 1],
  ...[EXTENDED_REQUEST, 2 + START_TLS_OID.length, REQUEST_NAME, START_TLS_OID.length, ...START_TLS_OID],
);

/**
 * Recognises an LDAP client that begins with StartTLS, with lengths in any form; undefined for
 * anything else.
 */
export function sniffStartTls(bytes: Uint8Array): StartTlsRequest | undefined | "more" {
  if (bytes.length > 0 && bytes[0] !== SEQUENCE) return undefined;
  const message = readHeader(bytes, 0);
  if (message === undefined || message === "more") return message;
  const { start, end } = message;
  if (end > MAX_REQUEST_BYTES || end - start < MIN_CONTENT_BYTES) return undefined;
  if (bytes.length > start && bytes[start] !== INTEGER) return undefined;
  if (bytes.length < end) return "more";
  const whole = bytes.subarray(0, end);
  const id = readElement(whole, { offset: start, tag: INTEGER });
  if (id === undefined || id.end === id.start || id.end - id.start > MAX_ID_BYTES) return undefined;
  const operation = readElement(whole, { offset: id.end, tag: EXTENDED_REQUEST });
  if (operation?.end !== end) return undefined;
  const name = readElement(whole, { offset: operation.start, tag: REQUEST_NAME });
  if (name?.end !== end || end - name.start !== START_TLS_OID.length) return undefined;
  if (START_TLS_OID.some((byte, index) => byte !== whole[name.start + index])) return undefined;
  return { id: whole.slice(id.start, id.end), length: end };
}

/** Returns the response "success" to a StartTLS request. */
export function startTlsSuccess({ id }: StartTlsRequest): Uint8Array {
  const result = [ENUMERATED, 1, 0, 4, 0, 4, 0];
  const idElement = [INTEGER, id.length, ...id];
  return Uint8Array.of(
    ...[SEQUENCE, idElement.length + 2 + result.length, ...idElement],
    ...[EXTENDED_RESPONSE, result.length, ...result],
  );
}

/**
 * Returns the length of the message that begins with these bytes, at most 4 KiB; undefined if they
 * are no LDAP message, "more" if they do not show it yet.
 */
export function messageLength(bytes: Uint8Array): number | undefined | "more" {
  if (bytes.length > 0 && bytes[0] !== SEQUENCE) return undefined;
  const header = readHeader(bytes, 0);
  if (header === undefined || header === "more") return header;
  return header.end <= MAX_ANSWER_BYTES ? header.end : undefined;
}

/** Returns the result code of a complete ExtendedResponse; undefined if it is none. */
export function resultCode(message: Uint8Array): number | undefined {
  const body = readElement(message, { offset: 0, tag: SEQUENCE });
  if (body === undefined) return undefined;
  const id = readElement(message, { offset: body.start, tag: INTEGER });
  if (id === undefined) return undefined;
  const operation = readElement(message, { offset: id.end, tag: EXTENDED_RESPONSE });
  if (operation === undefined) return undefined;
  const code = readElement(message, { offset: operation.start, tag: ENUMERATED });
  return code !== undefined && code.end - code.start === 1 ? message[code.start] : undefined;
}
