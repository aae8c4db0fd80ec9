import { concat, type Wire } from "./wire.ts";
import { type ConnResponse, encodeFrame, encodeResponse } from "./frame.ts";
import type { Faults } from "./faults.ts";

/** The malformed bodies of PROTOCOL.md 3.5, whole frames. */
export const MALFORMED_FRAMES: Record<"N1" | "N2" | "N3" | "N4" | "N5" | "N6" | "N7", string> = {
  N1: "05000a0461",
  N2: "02000001",
  N3: "02000f01",
  N4: "04000a056162",
  N5: "04000a02fffe",
  N6: "0c0010ffffffffffffffffffff01",
  N7: "05",
};

const UNKNOWN_FIELDS = "30ac0282010378797a49010203040506070855aabbccdd";

/** Instead of a response: what no client expects. True if the exchange is over. */
export async function answerBadly(wire: Wire, options: { faults: Faults; host: string }): Promise<boolean> {
  const { faults, ...place } = options;
  if (faults.take("ingress.silent", place)) {
    await wire.drain();
    return true;
  }
  if (faults.take("ingress.huge_length", place)) {
    await wire.write(Uint8Array.of(0xff, 0xff));
    await wire.drain();
    return true;
  }
  const malformed = faults.take("ingress.malformed", place);
  const name = faults.take("ingress.one_length_byte", place)
    ? "N7"
    : faults.take("ingress.partial_frame", place)
    ? "N1"
    : malformed?.vector;
  if (name === undefined && faults.take("ingress.eof_before_length", place) === undefined) return false;
  if (name !== undefined) await wire.write(fromHex(MALFORMED_FRAMES[name]));
  await wire.close();
  return true;
}

/** Replaces the response by a planted failure, or adds what clients must bear. */
export function spoilResponse(
  response: Partial<ConnResponse>,
  options: { faults: Faults; host: string },
): Partial<ConnResponse> {
  const { faults, ...place } = options;
  const error = faults.take("ingress.error", place);
  if (error !== undefined) return { errorCode: error.code, errorMessage: error.message };
  const codeOnly = faults.take("ingress.error_code_only", place);
  if (codeOnly !== undefined) return { errorCode: codeOnly.code };
  const messageOnly = faults.take("ingress.error_message_only", place);
  if (messageOnly !== undefined) return { errorMessage: messageOnly.message };
  if (faults.take("ingress.zero_length", place)) return {};
  const notices = faults.take("ingress.notices", place)?.notices;
  return notices === undefined ? response : { ...response, notices };
}

/** Sends a response the way the faults say. */
export async function sendResponse(
  wire: Wire,
  response: Partial<ConnResponse>,
  options: { faults: Faults; host: string },
): Promise<void> {
  const { faults, host } = options;
  let body = encodeResponse(response);
  if (faults.take("ingress.unknown_fields", { host })) body = concat(body, fromHex(UNKNOWN_FIELDS));
  const frame = encodeFrame(body);
  const joined = faults.take("ingress.joined", { host });
  if (joined !== undefined && joined.data === undefined) return wire.prefixNextWrite(frame);
  if (joined?.data !== undefined) {
    return await wire.write(concat(frame, new TextEncoder().encode(joined.data)));
  }
  if (!faults.take("ingress.byte_by_byte", { host })) return await wire.write(frame);
  for (const byte of frame) {
    await wire.write(Uint8Array.of(byte));
    // Time for the client to read, so that it really sees one byte after another.
    await new Promise<void>((resolve) => setTimeout(resolve, 1));
  }
}

/** Bytes from hex. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
