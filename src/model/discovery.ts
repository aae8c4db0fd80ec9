import type { Endpoint, RefusedEndpoint } from "./endpoint.ts";

/** The result of a poll. */
export interface Discovery {
  readonly endpoints: readonly Endpoint[];
  readonly refused: readonly RefusedEndpoint[];
  /** Grows when endpoints or refusals differ from those of the poll before; the first poll of a run gives 1. */
  readonly revision: number;
  /** The number of pages that the poll took; the interval stretches with them. */
  readonly pages: number;
  /** True if the last of several pages was empty: the list may be incomplete. */
  readonly endsEmpty?: boolean;
}

/** True if both list the same endpoints and refusals in the same order. */
export function isSameList(
  a: Pick<Discovery, "endpoints" | "refused">,
  b: Pick<Discovery, "endpoints" | "refused">,
): boolean {
  return haveSame(a.endpoints, b.endpoints, ["id", "url"]) &&
    haveSame(a.refused, b.refused, ["id", "url", "reason"]);
}

function haveSame<T>(a: readonly T[], b: readonly T[], keys: readonly (keyof T)[]): boolean {
  return a.length === b.length && a.every((item, index) => keys.every((key) => item[key] === b[index]![key]));
}
