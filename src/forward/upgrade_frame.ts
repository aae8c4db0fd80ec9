import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { UpgradeError } from "../model/errors.ts";

/** The request for an endpoint (docs/protocol.md 3.2, ConnRequest). */
export interface ConnRequest {
  /** Concrete name, without port. */
  readonly host: string;
  /** The port of the endpoint's URL. */
  readonly port: number;
}

/** The ingress's response (docs/protocol.md 3.2, ConnResponse). Absent fields are `""`. */
export interface ConnResponse {
  readonly endpointId: string;
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly notices: readonly string[];
}

/** Bytes of the length before a body: uint16, little-endian (docs/protocol.md 3.2). */
export const LENGTH_BYTES = 2;

const MAX_BODY_BYTES = 0xffff;
const MAX_GROUP_DEPTH = 100;

/**
 * Encodes the whole frame of a request.
 *
 * @throws {UpgradeError} `too_large`, if the body does not fit its length field.
 */
export function encodeConnRequest(request: ConnRequest): Uint8Array {
  const { host, port } = request;
  const writer = new BinaryWriter();
  if (host !== "") writer.tag(1, WireType.LengthDelimited).string(host);
  if (port !== 0) writer.tag(2, WireType.Varint).int64(port);
  const body = writer.finish();
  if (body.length > MAX_BODY_BYTES) {
    throw new UpgradeError(
      `Cannot ask the ingress for a name of ${host.length} characters: the request is too large`,
      { code: "too_large" },
    );
  }
  const frame = new Uint8Array(LENGTH_BYTES + body.length);
  frame[0] = body.length & 0xff;
  frame[1] = body.length >> 8;
  frame.set(body, LENGTH_BYTES);
  return frame;
}

/**
 * Returns the length of the frame that begins with these bytes; undefined if its length field is
 * incomplete.
 */
export function frameLength(bytes: Uint8Array): number | undefined {
  return bytes.length < LENGTH_BYTES ? undefined : LENGTH_BYTES + (bytes[0]! | (bytes[1]! << 8));
}

/**
 * Decodes the body of a response. Unknown fields are skipped. If a field is
 * repeated, the last one is used.
 *
 * @throws {UpgradeError} `malformed`, if it is not such a message.
 */
export function decodeConnResponse(body: Uint8Array): ConnResponse {
  // Field 2 is the protocol, which the daemon knows from the endpoint's URL.
  const texts = ["", "", "", ""];
  const notices: string[] = [];
  try {
    readFields(body, (field, reader) => {
      if (field === 5) notices.push(decodeNotice(reader.bytes()));
      else if (field >= 1 && field <= 4) texts[field - 1] = reader.string(true);
      else return false;
      return true;
    });
  } catch (cause) {
    throw new UpgradeError("Cannot read the response of the ingress: it is malformed", {
      code: "malformed",
      cause,
    });
  }
  const [endpointId, , errorCode, errorMessage] = texts as [string, string, string, string];
  return { endpointId, errorCode, errorMessage, notices };
}

function decodeNotice(body: Uint8Array): string {
  let message = "";
  readFields(body, (field, reader) => {
    if (field !== 1) return false;
    message = reader.string(true);
    return true;
  });
  return message;
}

/**
 * Calls `take` for each length-delimited field. Skips fields that it does not take, and all others.
 */
function readFields(body: Uint8Array, take: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(body);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type !== WireType.LengthDelimited || !take(field, reader)) {
      skip(reader, [field, type], MAX_GROUP_DEPTH);
    }
  }
  checkBounds(reader);
}

/**
 * Skips a field as the official runtime does. The library's own skip accepts varints of any length.
 */
function skip(reader: BinaryReader, [field, type]: [number, WireType], depth: number): void {
  if (type === WireType.Varint) {
    reader.uint64();
    checkBounds(reader);
  } else if (type === WireType.StartGroup) {
    if (depth === 0) throw new RangeError("Cannot skip a group: it is nested too deeply");
    for (;;) {
      const [inner, innerType] = reader.tag();
      checkBounds(reader);
      if (innerType === WireType.EndGroup) {
        if (inner !== field) throw new SyntaxError("Cannot skip a group: it ends with another field number");
        return;
      }
      skip(reader, [inner, innerType], depth - 1);
    }
  } else reader.skip(type, field);
}

function checkBounds(reader: BinaryReader): void {
  if (reader.pos > reader.len) throw new RangeError("Cannot read a field: it runs past the end");
}
