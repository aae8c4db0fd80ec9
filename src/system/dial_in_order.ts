import { closeQuietly } from "./byte_stream.ts";
import { limitTime, sleep } from "./clock.ts";
import { lookupHost } from "./lookup_host.ts";
import {
  type Answered,
  dialPlan,
  forgetAddress,
  type HostPort,
  NEXT_ADDRESS_MS,
  noteAddress,
} from "./working_address.ts";

/** The time for an address that has answered before, after which all are tried beside it. */
const KNOWN_ADDRESS_MS = 300;

/**
 * Opens a connection to a host: first to the address that is known to work, and by the name too
 * after 300 ms or a failure. The first one that opens is the result; the other one is closed.
 *
 * @throws The error of the dial by the name, or the signal's reason if it aborts first.
 */
export async function dialInOrder<T extends Opened>(where: HostPort, options: OrderOptions<T>): Promise<T> {
  const { open, signal } = options;
  signal?.throwIfAborted();
  const { address, delayMs } = dialPlan(where);
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const dialName = () => dialByName(where, { open, delayMs, signal: stop.signal });
  const attempts: Promise<Attempt<T>>[] = [];
  let winner: Attempt<T> | undefined;
  try {
    if (address !== undefined) {
      const known = open({ hostname: address, delayMs, signal: stop.signal }).then((conn) => ({ conn }));
      attempts.push(known);
      winner = await inTime(known);
      signal?.throwIfAborted();
    }
    if (winner === undefined) {
      attempts.push(dialName());
      winner = await Promise.any(attempts).catch(() => undefined);
      if (winner?.answered !== undefined || winner === undefined) forgetAddress(where);
      if (winner?.answered !== undefined) noteAddress(where, winner.answered);
    }
    return (winner ?? await attempts.at(-1)!).conn;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    stop.abort();
    for (const attempt of attempts) {
      attempt.then((late) => late === winner || closeQuietly(late.conn), () => {});
    }
  }
}

/** Options of {@linkcode dialInOrder}. */
export interface OrderOptions<T> {
  /** Connects to a host name or an address. A late connection may ignore the signal. */
  readonly open: (to: OneDial) => Promise<T>;
  readonly signal?: AbortSignal | undefined;
}

/** One attempt to connect. */
export interface OneDial {
  readonly hostname: string;
  /** The pause before the next address of the name. */
  readonly delayMs: number;
  readonly signal: AbortSignal;
}

/** A connection. */
export interface Opened {
  readonly remoteAddr: Deno.Addr;
  close(): void;
}

interface Attempt<T> {
  readonly conn: T;
  /** Undefined for the known address. */
  readonly answered?: Answered;
}

/** Waits 300 ms for an attempt; undefined if it takes longer or fails. */
async function inTime<T>(attempt: Promise<T>): Promise<T | undefined> {
  const stop = new AbortController();
  const late = sleep(KNOWN_ADDRESS_MS, { signal: stop.signal }).catch(() => {});
  const found = await Promise.race([attempt, late]).catch(() => undefined);
  stop.abort();
  return found ?? undefined;
}

/**
 * Connects by the name. Only a connection that took long is worth a second lookup, which tells
 * whether the address that answered was the first one: DNS or the link may have been slow.
 */
async function dialByName<T extends Opened>(
  where: HostPort,
  { open, ...dial }: OrderOptions<T> & Omit<OneDial, "hostname">,
): Promise<Attempt<T>> {
  const { hostname } = where;
  const since = performance.now();
  const conn = await open({ hostname, ...dial });
  const tookMs = performance.now() - since;
  const { hostname: address } = conn.remoteAddr as Deno.NetAddr;
  if (tookMs < NEXT_ADDRESS_MS) return { conn, answered: { address, tookMs, order: undefined } };
  using limit = limitTime(NEXT_ADDRESS_MS, dial);
  const order = await lookupHost(hostname, { signal: limit.signal }).catch(() => undefined);
  return { conn, answered: { address, tookMs, order } };
}
