import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { UpgradeError } from "../model/errors.ts";

/** What the cloud is asked for (PROTOCOL.md 3.2, ConnRequest). */
export interface ConnRequest {
  /** Concrete name, without port. */
  readonly host: string;
  /** The endpoint URL's port. */
  readonly port: number;
}

/** What the cloud answers (PROTOCOL.md 3.2, ConnResponse). A field that is not there is `""`. */
export interface ConnResponse {
  readonly endpointId: string;
  readonly proto: string;
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly notices: readonly string[];
}

/** Bytes of the length in front of a body: uint16, little-endian (PROTOCOL.md 3.2). */
export const LENGTH_BYTES = 2;

const MAX_BODY_BYTES = 0xffff;
const MAX_GROUP_DEPTH = 100;

/**
 * The whole frame of a request.
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
      {
        code: "too_large",
      },
    );
  }
  const frame = new Uint8Array(LENGTH_BYTES + body.length);
  frame[0] = body.length & 0xff;
  frame[1] = body.length >> 8;
  frame.set(body, LENGTH_BYTES);
  return frame;
}

/** The length of the whole frame that begins with these bytes; undefined if its length field is not complete. */
export function frameLength(bytes: Uint8Array): number | undefined {
  return bytes.length < LENGTH_BYTES ? undefined : LENGTH_BYTES + (bytes[0]! | (bytes[1]! << 8));
}

/**
 * Reads the body of a response. Unknown fields are skipped, and of a field that is there twice the last counts.
 *
 * @throws {UpgradeError} `malformed`, if it is not such a message.
 */
export function decodeConnResponse(body: Uint8Array): ConnResponse {
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
    throw new UpgradeError("Cannot read the answer of the ingress: it is malformed", {
      code: "malformed",
      cause,
    });
  }
  const [endpointId, proto, errorCode, errorMessage] = texts as [string, string, string, string];
  return { endpointId, proto, errorCode, errorMessage, notices };
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

/** Calls `take` for each length-delimited field; what it does not take, and every other field, is skipped. */
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

/** As the official runtime skips. The library's own skip takes varints of any length. */
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
