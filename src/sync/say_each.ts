/** So many lines of one kind are said in a round; what is beyond shares one. */
const MAX_LINES = 50;

/** Says the first items one by one and how many more there are. */
export function sayEach<T>(
  items: readonly T[],
  say: { readonly one: (item: T) => void; readonly rest: (count: number) => void },
): void {
  for (const item of items.slice(0, MAX_LINES)) say.one(item);
  if (items.length > MAX_LINES) say.rest(items.length - MAX_LINES);
}
