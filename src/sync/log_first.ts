const MAX_LINES = 50;

/** Logs the first 50 items one by one, and then only the number of the others. */
export function logFirst<T>(
  items: readonly T[],
  log: { readonly one: (item: T) => void; readonly rest: (count: number) => void },
): void {
  for (const item of items.slice(0, MAX_LINES)) log.one(item);
  if (items.length > MAX_LINES) log.rest(items.length - MAX_LINES);
}
