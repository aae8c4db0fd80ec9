/** The seconds that are this daemon's: those whose number since the epoch is `rank` modulo `count`. */
export interface Turn {
  readonly rank: number;
  readonly count: number;
}

/** The turn of an operator among those of its account; undefined if it is not among them. */
export function turnOf(id: string, ids: readonly string[]): Turn | undefined {
  const sorted = [...new Set(ids)].sort();
  const rank = sorted.indexOf(id);
  return rank === -1 ? undefined : { rank, count: sorted.length };
}

/** The begin of the first own second at or after a moment; milliseconds since the epoch. */
export function nextTurn(fromMs: number, { rank, count }: Turn): number {
  const second = Math.ceil(fromMs / 1000);
  return (second + ((rank - second) % count + count) % count) * 1000;
}

/** One of the own seconds that begin in a span of time, by `spread` in [0, 1); undefined if there is none. */
export function drawTurn(
  span: { readonly fromMs: number; readonly toMs: number; readonly spread: number },
  turn: Turn,
): number | undefined {
  const { fromMs, toMs, spread } = span;
  const first = nextTurn(fromMs, turn);
  if (first >= toMs) return undefined;
  const stepMs = turn.count * 1000;
  const places = Math.floor((toMs - 1 - first) / stepMs) + 1;
  return first + Math.floor(places * spread) * stepMs;
}
