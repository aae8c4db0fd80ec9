import type { ListenerRoutes } from "../../model/route_table.ts";

/** The limits of a request's head and the form that it may have (docs/reliability.md R36, R86). */
export interface HeadRules {
  /** The limit of the whole head. */
  readonly maxBytes: number;
  /** The limit of the fields. */
  readonly maxFields: number;
  /** True for all forms that RFC 9112 2.2 and 3 let a server accept. */
  readonly isLenient: boolean;
}

/**
 * The rules of a listener that several endpoints share. The client, who may be anybody, decides by
 * this head where the request goes.
 */
export const SHARED_HEAD: HeadRules = {
  maxBytes: 32_768,
  maxFields: 200,
  isLenient: false,
};

/** The rules of a listener with one endpoint, which gets all requests anyway. */
export const OWN_HEAD: HeadRules = {
  maxBytes: 131_072,
  maxFields: Infinity,
  isLenient: true,
};

/** Returns the rules of the heads on a listener with these routes. */
export function headRulesOf(routes: ListenerRoutes | undefined): HeadRules {
  let count = 0;
  for (const { scheme } of routes?.all ?? []) {
    if (scheme === "http" && ++count > 1) break;
  }
  return count === 1 ? OWN_HEAD : SHARED_HEAD;
}
