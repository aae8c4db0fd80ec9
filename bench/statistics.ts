/** The middle value; the mean of the two middle ones of an even count. @throws {RangeError} If there is none. */
export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The smallest value that at least `percent` per cent of the values do not exceed. @throws {RangeError} If there is none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = ascending(values);
  return sorted[Math.max(0, Math.ceil(sorted.length * percent / 100) - 1)]!;
}

function ascending(values: readonly number[]): number[] {
  if (values.length === 0) throw new RangeError("Cannot find a median: there are no values");
  return values.toSorted((a, b) => a - b);
}
