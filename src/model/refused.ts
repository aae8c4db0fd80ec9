import type { RefusedEndpoint } from "./endpoint.ts";

/** The refused entries that are kept and shown one by one. */
export const MAX_REFUSED = 100;

/** Refused entries that are shown, and the number of those that are not. */
export interface Refusals {
  readonly refused: readonly RefusedEndpoint[];
  /** The refused entries that are only counted. @default {0} */
  readonly refusedMore?: number;
}

/** Returns the first 100 refused entries, and the number of the others. */
export function limitRefused(refused: readonly RefusedEndpoint[]): Required<Refusals> {
  return {
    refused: refused.slice(0, MAX_REFUSED),
    refusedMore: Math.max(0, refused.length - MAX_REFUSED),
  };
}
