const MAX_LINES = 50;

/** Logs the first 50 items one by one, and then only the number of the others. */
export function logFirst<T>(
  items: readonly T[],
  log: {
    readonly one: (item: T) => void;
    readonly rest: (count: number) => void;
    /** The number of further ones that are no items. @default {0} */
    readonly further?: number;
  },
): void {
  for (const item of items.slice(0, MAX_LINES)) log.one(item);
  const rest = Math.max(0, items.length - MAX_LINES) + (log.further ?? 0);
  if (rest > 0) log.rest(rest);
}
