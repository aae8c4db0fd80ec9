import { VIRTUAL } from "../model/listen_mode.ts";
import { listenerKey } from "../model/route_table.ts";
import type { ListenerEffects, RoundEffects } from "./effects.ts";
import type { Applied } from "./reconcile.ts";
import type { RoundSettings } from "./round.ts";

/**
 * A program may hold a port of thousands of addresses. It frees all at once, so a few attempts do.
 */
const MAX_ATTEMPTS = 16;

/**
 * Returns true if a round with this list and these settings would find everything as `last` left
 * it. It compares revisions, so that thousands of endpoints cost little. Listeners, addresses,
 * redirects and names are observed, and repaired as in any round.
 */
export async function isIdle(
  last: CompleteRound,
  now: Pick<CompleteRound, "revision" | "settings"> & { readonly effects: RoundEffects },
): Promise<boolean> {
  const { listeners, addresses, redirects, names } = now.effects;
  const { applied } = last;
  if (last.revision !== now.revision || last.settings !== now.settings) return false;
  const observed = listeners.observe();
  if (observed.length !== applied.listeners.size) return false;
  if (!observed.every((key) => applied.listeners.has(key))) return false;
  for (const wanted of sample(applied.remapped)) if (await isFree(wanted, listeners)) return false;
  try {
    const missing = await addresses.ensure(applied.addresses, applied.revision);
    if (missing.size > 0) return false;
    const redirectReasons = await redirects.ensure(applied.redirects);
    if (!areSame(redirectReasons, applied.redirectReasons)) return false;
    return areSame(await names.publish(applied.names, applied.revision), applied.nameReasons);
  } catch {
    // The round that follows meets the error again and reports it.
    return false;
  }
}

/** A round after which nothing was left to retry. */
export interface CompleteRound {
  /** The revision of the list of endpoints. */
  readonly revision: number;
  /** The {@linkcode settingsKey} of its settings. */
  readonly settings: string;
  readonly applied: Applied;
}

/** Returns the settings and the addresses of the interfaces that they name as one text. */
export function settingsKey(settings: RoundSettings): string {
  const { resolveInterface, names, random: _random, ...rest } = settings;
  const values: Json<typeof rest> = rest;
  const interfaces = [values.listenInterface, ...Object.values(values.overrides)];
  const addresses = interfaces.map((name) => name === VIRTUAL ? name : resolveInterface(name) ?? null);
  return JSON.stringify([values, addresses, names.revision]);
}

/**
 * A type of which JSON keeps everything: for a function, a Map or a Set it is `never`, because a
 * change of it would go unnoticed.
 */
type Json<T> = T extends string | number | boolean | null | undefined ? T
  : T extends
    ((...args: never[]) => unknown) | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | bigint | symbol
    ? never
  : { readonly [Key in keyof T]: Json<T[Key]> };

function areSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && a.entries().every(([key, reason]) => b.get(key) === reason);
}

/** Returns a few of the items, others each time. */
function sample<T>(items: readonly T[]): T[] {
  const first = Math.floor(Math.random() * items.length);
  return [...items.slice(first, first + MAX_ATTEMPTS), ...items.slice(0, first)].slice(0, MAX_ATTEMPTS);
}

async function isFree(
  wanted: { readonly address: string; readonly port: number },
  listeners: ListenerEffects,
): Promise<boolean> {
  try {
    listeners.open(wanted);
  } catch {
    return false;
  }
  await listeners.close(listenerKey(wanted.address, wanted.port));
  return true;
}
