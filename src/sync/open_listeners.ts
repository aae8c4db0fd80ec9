import { messageOf } from "../model/errors.ts";
import { nextRevision } from "../model/revision.ts";
import { bind, type Binding, type BindOptions } from "./bind.ts";
import type { ListenerDiff } from "./diff.ts";
import type { AddressEffects, ListenerEffects } from "./effects.ts";

/** Makes the addresses exist and opens the listeners. An error becomes a reason. */
export async function openListeners(
  difference: ListenerDiff,
  effects: { readonly addresses: AddressEffects; readonly listeners: ListenerEffects },
  options: Pick<BindOptions, "ports" | "startPort">,
): Promise<OpenListeners> {
  const revision = nextRevision();
  const { addresses, ...unavailable } = await ensureAddresses(difference, effects.addresses, revision);
  const bindings = await bind(difference, { ...options, ...unavailable, listeners: effects.listeners });
  return { revision, addresses, bindings };
}

/** The result of {@linkcode openListeners}. Nobody is led to the listeners yet. */
export interface OpenListeners {
  /** The revision of the addresses. */
  readonly revision: number;
  readonly addresses: readonly string[];
  readonly bindings: readonly Binding[];
}

async function ensureAddresses({ wanted }: ListenerDiff, effects: AddressEffects, revision: number) {
  const virtual = wanted.filter(({ group }) => group.virtual);
  const addresses = [...new Set(virtual.map(({ group }) => group.address))];
  try {
    return { addresses, missing: await effects.ensure(addresses, revision) };
  } catch (error) {
    return { addresses, missing: new Map<string, string>(), driverError: messageOf(error) };
  }
}
