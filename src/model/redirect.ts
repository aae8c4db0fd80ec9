import { listenerKey } from "./route_table.ts";

/** A port of a virtual address that another program holds, and the port that ngrokd has instead. */
export interface Redirect {
  readonly address: string;
  /** The port of the URL. */
  readonly from: number;
  /** The port that ngrokd listens on. */
  readonly to: number;
}

/** Returns a text that is equal for equal redirects. */
export function redirectKey({ address, from, to }: Redirect): string {
  return `${listenerKey(address, from)}>${to}`;
}

/** Returns that reason for every redirect, by `address:port` of the held port. */
export function refuseRedirects(redirects: readonly Redirect[], reason: string): Map<string, string> {
  return new Map(redirects.map(({ address, from }) => [listenerKey(address, from), reason]));
}
