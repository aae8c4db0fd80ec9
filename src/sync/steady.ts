import type { RefusedEndpoint } from "../model/endpoint.ts";
import { listenerKey } from "../model/route_table.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import type { ListenerEffects, RoundEffects } from "./effects.ts";
import type { RoundInput, RoundOutcome, Standing } from "./round.ts";

/** A round that left nothing to be tried again: the same round again takes no more than a look. */
export interface Steady {
  /** What the same round would start from. */
  readonly input: RoundInput;
  /** {@linkcode placesOf} its settings, at that time. */
  readonly places: string;
  readonly standing: Standing;
}

/** What to compare the next round with; undefined if it has something to do. `places` are those of before the round. */
export function steadyAfter(
  before: Pick<Steady, "input" | "places">,
  { saved, standing }: RoundOutcome,
): Steady | undefined {
  const { input, places } = before;
  return standing === undefined ? undefined : { input: { ...input, saved }, places, standing };
}

/**
 * Whether a round with this input would find everything as it was. Lists are compared by what they are, not by what is in them, so that
 * thousands of endpoints cost nothing; listeners, addresses and names are observed, and mended like in any round.
 */
export async function isSteady(
  last: Steady,
  now: { readonly input: RoundInput; readonly effects: RoundEffects },
): Promise<boolean> {
  const { input, effects } = now;
  const { listeners, addresses, names, nameReasons, displaced } = last.standing;
  if (!isSameInput(last, input)) return false;
  if (!areSame(effects.listeners.observe(), listeners)) return false;
  if (someOf(displaced).some((place) => isFree(place, effects.listeners))) return false;
  try {
    const missing = await effects.addresses.ensure(addresses);
    if (missing.size > 0) return false;
    const reasons = await effects.names.publish(names);
    return reasons.size === nameReasons.size &&
      reasons.entries().every(([name, reason]) => nameReasons.get(name) === reason);
  } catch {
    // The round that follows meets it again, and says so.
    return false;
  }
}

/** How many ports that were in use are tried at each look. One program may hold a port of thousands of addresses: it frees all at once. */
const MAX_TRIED = 16;

/** Any of them, others each time. */
function someOf<T>(places: readonly T[]): T[] {
  const first = Math.floor(Math.random() * places.length);
  return [...places.slice(first, first + MAX_TRIED), ...places.slice(0, first)].slice(0, MAX_TRIED);
}

function isFree(
  place: { readonly address: string; readonly port: number },
  listeners: ListenerEffects,
): boolean {
  try {
    listeners.open(place);
  } catch {
    return false;
  }
  listeners.close(listenerKey(place.address, place.port));
  return true;
}

/** What the interfaces stand for now that endpoints may listen on. */
export function placesOf(settings: RoundInput["settings"]): string {
  const { listenInterface, overrides, resolveInterface } = settings;
  const modes = [listenInterface, ...Object.values(overrides)];
  return JSON.stringify(modes.map((mode) => mode === VIRTUAL ? mode : resolveInterface(mode) ?? null));
}

function isSameInput(last: Steady, input: RoundInput): boolean {
  const { endpoints, saved, refused, settings } = last.input;
  const now = input.settings;
  return endpoints === input.endpoints && saved === input.saved && areAlike(refused, input.refused) &&
    settings.subnet.base === now.subnet.base && settings.subnet.prefix === now.subnet.prefix &&
    settings.listenInterface === now.listenInterface && settings.overrides === now.overrides &&
    settings.startPort === now.startPort && settings.refuseName === now.refuseName &&
    last.places === placesOf(now);
}

function areSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function areAlike(a: readonly RefusedEndpoint[], b: readonly RefusedEndpoint[]): boolean {
  return a.length === b.length && a.every(({ id, url, reason }, index) => {
    const other = b[index]!;
    return id === other.id && url === other.url && reason === other.reason;
  });
}
