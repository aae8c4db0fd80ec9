import { type ByteStream, writeAll } from "../../system/byte_stream.ts";
import { peek } from "../peek.ts";
import type { HttpRefusal } from "./refuse.ts";
import { H2_PREFACE } from "./sniff_http.ts";

const HEADER_BYTES = 9;
/** The limit of the frames before the first request; clients send below 1 KiB. */
const MAX_BYTES = 16_384;
/** Types and flags of frames (RFC 9113 6). */
const HEADERS = 1;
const SETTINGS = 4;
const GOAWAY = 7;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
/**
 * A size update of HPACK's dynamic table, to 0. A client that made the table smaller by its
 * settings needs one at the start of the first block (RFC 7541 4.2).
 */
const EMPTY_TABLE = 0x20;
/** The gRPC status of a request that the client should not just repeat. */
const FAILED_PRECONDITION = "9";

/**
 * Answers a client of HTTP/2 without TLS up to its first request, and returns the bytes that refuse
 * this request and the connection. gRPC for Python and C++ shows the reason as the message of the
 * call; gRPC for Go shows only the status. Others get it as a field of the response and as the data
 * of GOAWAY. GOAWAY alone would make gRPC connect again hundreds of times in a second, and an end
 * of the connection right behind it would hide the reason: the client ends it.
 *
 * @param refusal Its texts must be ASCII.
 * @throws Whatever the stream throws.
 */
export async function refuseH2(
  stream: ByteStream,
  refusal: HttpRefusal,
  options: RefuseH2Options,
): Promise<Uint8Array> {
  const { initial, limitMs } = options;
  const reason = [refusal.reason, refusal.nextStep].filter(Boolean).join(" ");
  // Clients of gRPC wait for the server's settings before they send a request.
  await writeAll(stream, frame(SETTINGS));
  let at = H2_PREFACE.length;
  const peeked = await peek(stream, (bytes) => {
    for (; at + HEADER_BYTES <= bytes.length; at += HEADER_BYTES + lengthAt(bytes, at)) {
      if (bytes[at + 3] === HEADERS) return { streamId: numberAt(bytes, at + 5) & 0x7fff_ffff };
    }
    return bytes.length < MAX_BYTES && at < MAX_BYTES ? "more" : { streamId: 0 };
  }, { limitMs: () => limitMs, initial });
  const streamId = peeked.kind === "found" ? peeked.found.streamId : 0;
  const goAway = frame(GOAWAY, { payload: [...uint32(streamId), ...uint32(0), ...ascii(reason)] });
  if (streamId === 0) return goAway;
  const fields = [
    [":status", `${refusal.status}`],
    ["content-type", "application/grpc"],
    ["grpc-status", FAILED_PRECONDITION],
    ["grpc-message", reason],
  ] as const;
  const response = frame(HEADERS, {
    flags: END_STREAM | END_HEADERS,
    streamId,
    payload: [EMPTY_TABLE, ...fields.flatMap(([name, value]) => [0, ...literal(name), ...literal(value)])],
  });
  return Uint8Array.from([...frame(SETTINGS, { flags: ACK }), ...response, ...goAway]);
}

/** Options of {@linkcode refuseH2}. */
export interface RefuseH2Options {
  /** All bytes of the client so far, which begin with the preface. */
  readonly initial: Uint8Array;
  /** The time limit of the first request. */
  readonly limitMs: number;
}

/** Returns a frame (RFC 9113 4.1). */
function frame(
  type: number,
  options: { flags?: number; streamId?: number; payload?: readonly number[] } = {},
): Uint8Array {
  const { flags = 0, streamId = 0, payload = [] } = options;
  return Uint8Array.from([...uint32(payload.length).slice(1), type, flags, ...uint32(streamId), ...payload]);
}

/** Returns a string literal of HPACK, without the Huffman code (RFC 7541 5.2). */
function literal(text: string): number[] {
  const bytes = ascii(text);
  if (bytes.length < 127) return [bytes.length, ...bytes];
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push(rest & 127 | 128);
  return [...length, rest, ...bytes];
}

function ascii(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0));
}

function uint32(value: number): number[] {
  return [value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255];
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return numberAt(bytes, at) >>> 8;
}

function numberAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
}
