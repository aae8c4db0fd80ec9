/** Returns a number in [0, 1) that nobody can predict. */
export function random(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;
}
