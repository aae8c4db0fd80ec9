import fc from "fast-check";

/** ASCII, the basic plane and the whole range in equal parts, without surrogates. */
const UNIT = fc.oneof(...[0x7f, 0xffff, 0x10ffff].map((max) => fc.integer({ min: 0, max })))
  .map((code) => String.fromCodePoint(code >= 0xd800 && code <= 0xdfff ? 0xfffd : code));

/**
 * Text of any code points. `fc.string({ unit: "binary" })` takes seconds to create its first text.
 */
export function anyText(length: { minLength?: number; maxLength?: number } = {}): fc.Arbitrary<string> {
  return fc.string({ unit: UNIT, ...length });
}
