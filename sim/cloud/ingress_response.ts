import { concat, type Wire } from "./wire.ts";
import { type ConnResponse, encodeFrame, encodeResponse } from "./frame.ts";
import type { Faults } from "./faults.ts";

/** The malformed frames of docs/protocol.md 3.5. */
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

/** Sends what no client expects instead of a response, if a fault says so. True if it did. */
export async function sendMalformed(wire: Wire, options: { faults: Faults; host: string }): Promise<boolean> {
  const { faults, ...moment } = options;
  if (faults.take("ingress.silent", moment)) {
    await wire.drain();
    return true;
  }
  if (faults.take("ingress.huge_length", moment)) {
    await wire.write(Uint8Array.of(0xff, 0xff));
    await wire.drain();
    return true;
  }
  const malformed = faults.take("ingress.malformed", moment);
  const name = faults.take("ingress.one_length_byte", moment)
    ? "N7"
    : faults.take("ingress.partial_frame", moment)
    ? "N1"
    : malformed?.vector;
  if (name === undefined && faults.take("ingress.eof_before_length", moment) === undefined) return false;
  if (name !== undefined) await wire.write(fromHex(MALFORMED_FRAMES[name]));
  await wire.close();
  return true;
}

/** The response as the faults change it: another one, or one with notices. */
export function alterResponse(
  response: Partial<ConnResponse>,
  options: { faults: Faults; host: string },
): Partial<ConnResponse> {
  const { faults, ...moment } = options;
  const error = faults.take("ingress.error", moment);
  if (error !== undefined) return { errorCode: error.code, errorMessage: error.message };
  const codeOnly = faults.take("ingress.error_code_only", moment);
  if (codeOnly !== undefined) return { errorCode: codeOnly.code };
  const messageOnly = faults.take("ingress.error_message_only", moment);
  if (messageOnly !== undefined) return { errorMessage: messageOnly.message };
  if (faults.take("ingress.zero_length", moment)) return {};
  const notices = faults.take("ingress.notices", moment)?.notices;
  return notices === undefined ? response : { ...response, notices };
}

/** Sends a response in the way that the faults say. */
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
    // The client needs time to read each byte by itself.
    await new Promise<void>((resolve) => setTimeout(resolve, 1));
  }
}

/** Decodes hex. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
