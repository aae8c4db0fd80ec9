import { SeededRandom } from "../../../sim/cloud/seeded_random.ts";
import { message, opt, TYPES } from "../../dns/messages.ts";
import { benchNames } from "./names.ts";

const OURS = benchNames()[7]!.hostname;
const LONG = Array(4).fill("l".repeat(60)).join(".");

/** Right and wrong messages of every kind that a DNS server can receive. */
const SEEDS: readonly [Uint8Array, ...Uint8Array[]] = [
  message({ name: OURS }),
  ...Object.values(TYPES).map((type) => message({ name: OURS, type, additional: [opt()] })),
  message({ name: OURS, additional: [opt({ version: 1, flags: 0x8040, options: [0, 100, 0, 0] })] }),
  message({
    name: OURS,
    additional: [opt({ options: [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 8, 0, 4, 0, 1, 0, 0] })],
  }),
  message({ name: OURS, additional: [opt({ options: [0, 12, 1, 0, ...Array(256).fill(0)] })] }),
  message({ name: OURS, additional: [opt(), opt()] }),
  message({ name: OURS, additional: [tsig()] }),
  message({ name: OURS, flags: [0x81, 0x80] }),
  message({ name: OURS, class: 3 }),
  message({ name: OURS, questions: 2 }),
  message({ name: "version.bind", type: TYPES.TXT, class: 3 }),
  message({ name: "other.example", additional: [opt({ size: 65_535, flags: 0x8000 })] }),
  message({ name: "", type: TYPES.NS }),
  message({ name: LONG }),
  ...[2, 4, 5, 6, 15].map((opcode) => message({ name: OURS, flags: [opcode << 3, 0] })),
  ...[0, 1, 12, 16].map((length) => new Uint8Array(length)),
];

/** A TSIG record whose name is a pointer. */
function tsig(): Uint8Array {
  return new Uint8Array([0xc0, 12, 0, 250, 0, 255, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]);
}

const NOISE = new SeededRandom(1).bytes(60_000);

/** Returns a message with a few errors, or with many. */
export function hostileMessage(random: SeededRandom): Uint8Array<ArrayBuffer> {
  return mutate(random.pick(SEEDS), random);
}

/**
 * Returns the octets with one to eight changes: flipped bits, other values, cuts, inserts,
 * pointers, or the end of another message.
 */
export function mutate(bytes: Uint8Array, random: SeededRandom): Uint8Array<ArrayBuffer> {
  let result = bytes.slice();
  const below = (limit: number) => Math.floor(random.next() * limit);
  for (let changes = below(1 + below(8)); changes >= 0; changes--) {
    const at = below(result.length);
    switch (below(9)) {
      case 0:
      case 1:
        if (result.length > 0) result[at]! ^= 1 << below(8);
        break;
      case 2:
        if (result.length > 0) result[at] = random.pick([0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff]);
        break;
      case 3:
        // Flags and counts of the header.
        if (result.length >= 12) result[2 + below(10)] = below(256);
        break;
      case 4:
        result = result.slice(0, at);
        break;
      case 5:
        result = new Uint8Array([
          ...result.subarray(0, at),
          ...random.bytes(below(40)),
          ...result.subarray(at),
        ]);
        break;
      case 6:
        result = new Uint8Array([...result.subarray(0, at), ...random.pick(SEEDS).subarray(at)]);
        break;
      case 7:
        // A name pointer, backwards, forwards or to itself.
        if (at + 1 < result.length) result.set([0xc0 | below(2), below(result.length)], at);
        break;
      case 8:
        if (below(50) === 0) {
          result = new Uint8Array([...result, ...NOISE.subarray(0, random.pick([500, 1500, 5000, 60_000]))]);
        } else if (below(10) === 0) result = random.bytes(below(100));
        break;
    }
  }
  return result.subarray(0, 65_507);
}
