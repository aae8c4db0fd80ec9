import type { RefusedEndpoint } from "./endpoint.ts";

/** The refused entries that are kept and shown one by one. */
const MAX_REFUSED = 100;

/** Returns the first 100 refused entries, before them one that counts the others. */
export function limitRefused(refused: readonly RefusedEndpoint[]): readonly RefusedEndpoint[] {
  const more = refused.length - MAX_REFUSED;
  if (more <= 0) return refused;
  const reason = `they are refused too; only ${MAX_REFUSED} are shown`;
  return [{ id: "", url: `${more} more entries`, reason }, ...refused.slice(0, MAX_REFUSED)];
}
