import { SeededRandom } from "./seeded_random.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const EPOCH_SECONDS = 1_400_000_000;
const TEXT_LENGTH = 27;

/** The shape of a KSUID's text (PROTOCOL.md 1.1). */
export const KSUID_PATTERN = /^[0-9A-Za-z]{27}$/;

/** A KSUID as text: base62 of 4 bytes of big-endian seconds since 1400000000 and 16 bytes of payload (PROTOCOL.md 1.1). */
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

/** Makes KSUIDs whose text order is their order of creation, also within one second. */
export class KsuidSource {
  readonly #now: () => number;
  readonly #random: SeededRandom;
  #sequence = 0;

  /** @param now Milliseconds since 1970. */
  constructor(now: () => number, seed: number) {
    this.#now = now;
    this.#random = new SeededRandom(seed);
  }

  /** The next id: `<prefix>_<27 characters>`, or the 27 characters alone if the prefix is empty. */
  next(prefix: string): string {
    const payload = this.#random.bytes(16);
    // The first bytes count up: `before_id` compares texts, and two ids of one second must not change places.
    new DataView(payload.buffer).setUint32(0, this.#sequence++);
    const text = encodeKsuid(Math.floor(this.#now() / 1000), payload);
    return prefix === "" ? text : `${prefix}_${text}`;
  }
}
