/** The request to the ingress (docs/protocol.md 3.2). */
export interface ConnRequest {
  host: string;
  port: number;
  podIdentity?: PodIdentity;
}

/** The pod that connects; a client outside Kubernetes sends none (docs/protocol.md 3.2). */
export interface PodIdentity {
  uid: string;
  name: string;
  namespace: string;
  annotations: Record<string, string>;
}

/** The answer of the ingress (docs/protocol.md 3.2). */
export interface ConnResponse {
  endpointId: string;
  proto: string;
  errorCode: string;
  errorMessage: string;
  notices: string[];
}

/** Bytes that are not a message of the schema. */
export class FrameError extends Error {
  override name = "FrameError";
}

const MAX_BODY_BYTES = 65_535;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Puts the length (uint16, little-endian) before a body.
 *
 * @throws {FrameError} If it is over 65535 bytes.
 */
export function encodeFrame(body: Uint8Array): Uint8Array<ArrayBuffer> {
  if (body.length > MAX_BODY_BYTES) throw new FrameError(`Frame body is too long: ${body.length} bytes`);
  const frame = new Uint8Array(2 + body.length);
  new DataView(frame.buffer).setUint16(0, body.length, true);
  frame.set(body, 2);
  return frame;
}

/** The body of the first whole frame and the bytes after it, or null while bytes are missing. */
export function splitFrame(bytes: Uint8Array): { body: Uint8Array; rest: Uint8Array } | null {
  const [low, high] = bytes;
  if (low === undefined || high === undefined) return null;
  const end = 2 + low + high * 256;
  return bytes.length < end ? null : { body: bytes.subarray(2, end), rest: bytes.subarray(end) };
}

/** Encodes a request, with fields in order and without defaults. */
export function encodeRequest(request: ConnRequest): Uint8Array {
  const identity = request.podIdentity;
  return Uint8Array.from([
    ...text(1, request.host),
    ...(request.port === 0 ? [] : [2 << 3, ...varint(BigInt(request.port))]),
    ...(identity === undefined ? [] : bytes(3, [
      ...text(1, identity.uid),
      ...text(2, identity.name),
      ...text(3, identity.namespace),
      ...Object.entries(identity.annotations).flatMap(([key, value]) =>
        bytes(4, [...text(1, key), ...text(2, value)])
      ),
    ])),
  ]);
}

/** Encodes a response, with fields in order and without defaults. */
export function encodeResponse(response: Partial<ConnResponse>): Uint8Array {
  return Uint8Array.from([
    ...text(1, response.endpointId ?? ""),
    ...text(2, response.proto ?? ""),
    ...text(3, response.errorCode ?? ""),
    ...text(4, response.errorMessage ?? ""),
    ...(response.notices ?? []).flatMap((notice) => bytes(5, text(1, notice))),
  ]);
}

/** Decodes a request. @throws {FrameError} If it is malformed. */
export function decodeRequest(body: Uint8Array): ConnRequest {
  const request: ConnRequest = { host: "", port: 0 };
  for (const field of fields(body)) {
    if (field.number === 1) request.host = string(field);
    if (field.number === 2) request.port = integer(field);
    if (field.number === 3) request.podIdentity = decodeIdentity(message(field), request.podIdentity);
  }
  return request;
}

/** Decodes a response. @throws {FrameError} If it is malformed. */
export function decodeResponse(body: Uint8Array): ConnResponse {
  const response: ConnResponse = { endpointId: "", proto: "", errorCode: "", errorMessage: "", notices: [] };
  for (const field of fields(body)) {
    if (field.number === 1) response.endpointId = string(field);
    if (field.number === 2) response.proto = string(field);
    if (field.number === 3) response.errorCode = string(field);
    if (field.number === 4) response.errorMessage = string(field);
    if (field.number === 5) {
      let notice = "";
      for (const inner of fields(message(field))) if (inner.number === 1) notice = string(inner);
      response.notices.push(notice);
    }
  }
  return response;
}

function decodeIdentity(body: Uint8Array, earlier?: PodIdentity): PodIdentity {
  const identity = earlier ?? { uid: "", name: "", namespace: "", annotations: {} };
  for (const field of fields(body)) {
    if (field.number === 1) identity.uid = string(field);
    if (field.number === 2) identity.name = string(field);
    if (field.number === 3) identity.namespace = string(field);
    if (field.number === 4) {
      let key = "";
      let value = "";
      for (const inner of fields(message(field))) {
        if (inner.number === 1) key = string(inner);
        if (inner.number === 2) value = string(inner);
      }
      identity.annotations[key] = value;
    }
  }
  return identity;
}

interface Field {
  number: number;
  value: bigint | Uint8Array;
}

function* fields(body: Uint8Array): Generator<Field> {
  let offset = 0;
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = body[offset++];
      if (byte === undefined) throw new FrameError("Varint runs past the frame");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new FrameError("Varint is longer than ten bytes");
  };
  const take = (length: number): Uint8Array => {
    if (offset + length > body.length) throw new FrameError("Field runs past the frame");
    offset += length;
    return body.subarray(offset - length, offset);
  };
  while (offset < body.length) {
    const tag = readVarint();
    const number = Number(tag >> 3n);
    if (number === 0 || number > 0x1fffffff) throw new FrameError(`Field number is invalid: ${number}`);
    switch (Number(tag & 7n)) {
      case 0:
        yield { number, value: readVarint() };
        break;
      case 1:
        take(8);
        break;
      case 2:
        yield { number, value: take(Number(readVarint())) };
        break;
      case 5:
        take(4);
        break;
      default:
        throw new FrameError(`Wire type is not supported: ${tag & 7n}`);
    }
  }
}

function message(field: Field): Uint8Array {
  if (typeof field.value === "bigint") throw new FrameError(`Field ${field.number} is not a message`);
  return field.value;
}

function string(field: Field): string {
  try {
    return decoder.decode(message(field));
  } catch (cause) {
    throw new FrameError(`Field ${field.number} is not UTF-8 text`, { cause });
  }
}

function integer(field: Field): number {
  if (typeof field.value !== "bigint") throw new FrameError(`Field ${field.number} is not a number`);
  return Number(BigInt.asIntN(64, field.value));
}

function text(number: number, value: string): number[] {
  return value === "" ? [] : bytes(number, encoder.encode(value));
}

function bytes(number: number, value: ArrayLike<number>): number[] {
  return [(number << 3) | 2, ...varint(BigInt(value.length)), ...Array.from(value)];
}

function varint(value: bigint): number[] {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  return [...out, Number(rest)];
}
