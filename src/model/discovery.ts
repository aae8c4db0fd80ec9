import type { Endpoint, RefusedEndpoint } from "./endpoint.ts";

/** What a poll found. */
export interface Discovery {
  readonly endpoints: readonly Endpoint[];
  readonly refused: readonly RefusedEndpoint[];
  /** How many pages it took; the interval stretches with them. */
  readonly pages: number;
  /** Whether it ended with a page that was announced and held nothing: something may be missing. */
  readonly endsEmpty?: boolean;
}
