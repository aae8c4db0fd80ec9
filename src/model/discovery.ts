import type { Endpoint } from "./endpoint.ts";
import type { Refusals } from "./refused.ts";

/** The endpoints that the API lists, in its order. */
export interface ListedEndpoints extends Refusals {
  readonly endpoints: readonly Endpoint[];
  /** The number of pages that the list took; the interval stretches with them. */
  readonly pages: number;
  /** True if the last of several pages was empty: the list may be incomplete. */
  readonly endsEmpty?: boolean;
}

/** The result of a poll. */
export interface Discovery extends ListedEndpoints {
  /** Grows when endpoints or refusals differ from the last poll's; the first poll gives 1. */
  readonly revision: number;
}

/** Returns true if both hold the same endpoints and refusals in the same order. */
export function isSameList(a: ListedEndpoints, b: ListedEndpoints): boolean {
  return haveSame(a.endpoints, b.endpoints, ["id", "url"]) &&
    haveSame(a.refused, b.refused, ["id", "url", "reason"]) &&
    (a.refusedMore ?? 0) === (b.refusedMore ?? 0);
}

function haveSame<T>(a: readonly T[], b: readonly T[], keys: readonly (keyof T)[]): boolean {
  return a.length === b.length && a.every((item, index) => keys.every((key) => item[key] === b[index]![key]));
}
