import { isAddress } from "../lib/ip_literal.ts";
import { listenerKey } from "../model/route_table.ts";
import { holds } from "./permissions.ts";

/**
 * The pause before the runtime tries the next address of a host too (RFC 8305). It begins with IPv6
 * if the machine prefers it, and takes both families in turn.
 */
export const NEXT_ADDRESS_MS = 150;
/** The shortest pause (RFC 8305 5). */
const MIN_PAUSE_MS = 10;
const REMEMBERED_MS = 10 * 60 * 1000;
const MAX_HOSTS = 64;

/** The addresses of hosts that have others which do not answer, by `host:port`. */
const known = new Map<string, KnownAddress>();

/** A host and a port. */
export interface HostPort {
  readonly hostname: string;
  readonly port: number;
}

/** Plans the dial of a host, so that a dead address costs its time once. */
export function dialPlan({ hostname, port }: HostPort): DialPlan {
  const key = listenerKey(hostname, port);
  const found = known.get(key);
  if (found === undefined) return { delayMs: NEXT_ADDRESS_MS };
  if (found.until <= performance.now()) {
    known.delete(key);
    return { delayMs: NEXT_ADDRESS_MS };
  }
  // A permission set has names of hosts, and none of their IPv6 addresses.
  return holds({ kind: "net", host: listenerKey(found.address, port) })
    ? { address: found.address, delayMs: NEXT_ADDRESS_MS }
    : { delayMs: found.pauseMs };
}

/** The order and pace of the attempts to dial a host. */
export interface DialPlan {
  /** The address to dial first; undefined for all of them by the name. */
  readonly address?: string | undefined;
  /** The pause between the addresses of the name. */
  readonly delayMs: number;
}

/**
 * Notes the address that answered after `tookMs` milliseconds, for 10 minutes. It notes no address
 * before which no other one was tried, and none that came too soon for that.
 */
export function noteAddress(where: HostPort, { address, tookMs, order }: Answered): void {
  if (isAddress(where.hostname) || tookMs < NEXT_ADDRESS_MS || order?.[0] === address) return;
  if (order !== undefined && order.length < 2) return;
  if (known.size >= MAX_HOSTS) known.clear();
  // An address that cannot be dialled by itself waits for the others again. Twice the time that it
  // took is enough for those that are as near, so that they do not race.
  const before = Math.min(order?.indexOf(address) ?? Infinity, Math.floor(tookMs / NEXT_ADDRESS_MS));
  const ownMs = tookMs - NEXT_ADDRESS_MS * Math.max(before, 1);
  known.set(listenerKey(where.hostname, where.port), {
    address,
    pauseMs: Math.round(Math.min(Math.max(2 * ownMs, MIN_PAUSE_MS), NEXT_ADDRESS_MS)),
    until: performance.now() + REMEMBERED_MS,
  });
}

/** The address that answered. */
export interface Answered {
  readonly address: string;
  /** The time since the first address was dialled, without the lookup. */
  readonly tookMs: number;
  /** The addresses of the host as they are tried; undefined if they are unknown. */
  readonly order: readonly string[] | undefined;
}

/** Forgets the address of a host, which has failed. */
export function forgetAddress({ hostname, port }: HostPort): void {
  known.delete(listenerKey(hostname, port));
}

/** Forgets the addresses of all hosts: another network has other routes. */
export function forgetAddresses(): void {
  known.clear();
}

/** Returns true if one address of a host is known to answer sooner than others. */
export function hasWorkingAddress(where: HostPort): boolean {
  const found = known.get(listenerKey(where.hostname, where.port));
  return found !== undefined && found.until > performance.now();
}

interface KnownAddress {
  readonly address: string;
  /** The pause between the addresses of the name, if the address cannot be dialled by itself. */
  readonly pauseMs: number;
  readonly until: number;
}
