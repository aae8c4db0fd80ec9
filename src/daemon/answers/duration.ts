const DAY_MS = 86_400_000;

/** Formats a duration as Go does, which users of `/status` parse: `1h2m3.5s`, `350ms`, `0s`. */
export function formatDuration(durationMs: number): string {
  const ms = Math.floor(durationMs);
  if (ms < 1000) return ms === 0 ? "0s" : `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = (ms % 60_000) / 1000;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}

/**
 * Returns the whole days from now until a time (milliseconds since the epoch); negative if it has
 * passed.
 */
export function daysUntil(timeMs: number): number {
  return Math.floor((timeMs - Date.now()) / DAY_MS);
}
