/** The largest number of these times (in milliseconds) within any 60 s. */
export function mostInMinute(times: readonly number[]): number {
  return Math.max(...times.map((start) => times.filter((at) => at >= start && at < start + 60_000).length));
}
