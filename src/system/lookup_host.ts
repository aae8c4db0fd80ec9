import { lookup } from "node:dns/promises";
import { untilAborted } from "./clock.ts";

/**
 * Looks up the addresses of a host, in the order of getaddrinfo. The result is empty if the host
 * has none, and undefined if the permission set has the host with its port only.
 *
 * @throws The signal's reason, if it aborts first.
 */
export async function lookupHost(
  hostname: string,
  { signal }: LookupOptions = {},
): Promise<readonly string[] | undefined> {
  try {
    const found = await untilAborted(lookup(hostname, { all: true, verbatim: true }), { signal });
    return [...new Set(found.map(({ address }) => address))];
  } catch (error) {
    signal?.throwIfAborted();
    return (error as { code?: unknown }).code === "EPERM" ? undefined : [];
  }
}

/** Options of {@linkcode lookupHost}. */
export interface LookupOptions {
  readonly signal?: AbortSignal | undefined;
}
