/** Converts milliseconds to seconds with at most two decimals. */
export function seconds(ms: number): number {
  return Math.round(ms / 10) / 100;
}
