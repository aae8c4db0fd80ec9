/** A time span as Go prints one, which users of `/status` parse: `1h2m3.5s`, `350ms`, `0s`. */
export function formatDuration(spanMs: number): string {
  const ms = Math.floor(spanMs);
  if (ms < 1000) return ms === 0 ? "0s" : `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = (ms % 60_000) / 1000;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
