import { SeededRandom } from "./seeded_random.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const EPOCH_SECONDS = 1_400_000_000;
const TEXT_LENGTH = 27;

/** The form of a KSUID (docs/protocol.md 1.1). */
export const KSUID_PATTERN = /^[0-9A-Za-z]{27}$/;

/**
 * Encodes a KSUID: base62 of 4 big-endian bytes of seconds since 1400000000 and 16 bytes of payload
 * (docs/protocol.md 1.1).
 */
export function encodeKsuid(unixSeconds: number, payload: Uint8Array): string {
  let value = BigInt(unixSeconds - EPOCH_SECONDS);
  for (const byte of payload) value = (value << 8n) | BigInt(byte);
  let text = "";
  for (let index = 0; index < TEXT_LENGTH; index++) {
    text = ALPHABET.charAt(Number(value % 62n)) + text;
    value /= 62n;
  }
  return text;
}

/** The creation time of a KSUID, in seconds since 1970. */
export function ksuidSeconds(text: string): number {
  let value = 0n;
  for (const character of text) value = value * 62n + BigInt(ALPHABET.indexOf(character));
  return Number(value >> 128n) + EPOCH_SECONDS;
}

/** Makes KSUIDs that sort in their order of creation, also within one second. */
export class KsuidSource {
  readonly #now: () => number;
  readonly #random: SeededRandom;
  #sequence = 0;

  /** @param now Milliseconds since 1970. */
  constructor(now: () => number, seed: number) {
    this.#now = now;
    this.#random = new SeededRandom(seed);
  }

  /** The next id: `<prefix>_<27 characters>`, or only the 27 characters if the prefix is empty. */
  next(prefix: string): string {
    const payload = this.#random.bytes(16);
    // A counter comes first, because `before_id` needs the order of ids within a second, too.
    new DataView(payload.buffer).setUint32(0, this.#sequence++);
    const text = encodeKsuid(Math.floor(this.#now() / 1000), payload);
    return prefix === "" ? text : `${prefix}_${text}`;
  }
}
