import { isAddress } from "../lib/ip_literal.ts";
import { listenerKey } from "../model/route_table.ts";
import { holds } from "./permissions.ts";

/**
 * The pause before the runtime tries the next address of a host too (RFC 8305). It begins with IPv6
 * if the machine prefers it, and takes both families in turn.
 */
export const NEXT_ADDRESS_MS = 150;
/** The same for a host whose working address cannot be dialled by itself. */
const HURRY_MS = 10;
const REMEMBERED_MS = 10 * 60 * 1000;
const MAX_HOSTS = 64;

/** The addresses of hosts that have others which do not answer: `host:port` → address. */
const known = new Map<string, { readonly address: string; readonly until: number }>();

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
  const address = holds({ kind: "net", host: listenerKey(found.address, port) }) ? found.address : undefined;
  return { address, delayMs: address === undefined ? HURRY_MS : NEXT_ADDRESS_MS };
}

/** The order and pace of the attempts to dial a host. */
export interface DialPlan {
  /** The address to dial first, for a short time; undefined for all of them by the name. */
  readonly address?: string | undefined;
  /** The pause between the addresses of the name. */
  readonly delayMs: number;
}

/**
 * Notes the address that answered after `tookMs` milliseconds. Only if another one may have cost
 * time before is it remembered, for 10 minutes; else the host is dialled by its name as before.
 */
export function noteAddress(where: HostPort, { address, tookMs }: Answered): void {
  if (isAddress(where.hostname) || tookMs < NEXT_ADDRESS_MS) return;
  if (known.size >= MAX_HOSTS) known.clear();
  known.set(listenerKey(where.hostname, where.port), { address, until: performance.now() + REMEMBERED_MS });
}

/** The address that answered. */
export interface Answered {
  readonly address: string;
  readonly tookMs: number;
}

/** Forgets the address of a host, which has failed. */
export function forgetAddress({ hostname, port }: HostPort): void {
  known.delete(listenerKey(hostname, port));
}

/** Returns true if one address of a host is known to answer sooner than others. */
export function hasWorkingAddress(where: HostPort): boolean {
  dialPlan(where);
  return known.has(listenerKey(where.hostname, where.port));
}
