import type { ConfigProblem } from "../model/errors.ts";
import type { Capability } from "../system/permissions.ts";
import { type Config, KEY_ENTRIES, valueOf } from "./config.ts";
import type { Need } from "./key.ts";

/** A capability that the process needs because of one value of the configuration. */
export interface NeededCapability extends Need {
  /** The key, and the entry if the key is a map. */
  readonly path: string;
}

/** Questions about the permission set of this process. */
export interface PermissionQueries {
  readonly holds: (capability: Capability) => boolean;
  /** The flag that would grant it. */
  readonly flagFor: (capability: Capability) => string;
}

/** Returns the capabilities that the values need (docs/permissions.md). */
export function configPermissions(config: Config): NeededCapability[] {
  return KEY_ENTRIES.flatMap((entry) => {
    const { value, section } = valueOf(config, entry);
    const { name, needs } = entry.key;
    return (needs?.(value, section) ?? []).map((need) => ({
      ...need,
      path: need.entry === undefined ? name : `${name}.${need.entry}`,
    }));
  });
}

/**
 * Returns a problem for each value that points outside the permission set, with the flags that
 * would allow it.
 */
export function checkPermissions(config: Config, { holds, flagFor }: PermissionQueries): ConfigProblem[] {
  const missing = configPermissions(config).filter(({ capability }) => !holds(capability));
  return [...Map.groupBy(missing, ({ path }) => path)].map(([path, needs]) => {
    const flags = new Set(needs.map(({ capability }) => flagFor(capability)));
    return {
      path,
      message: `the permission set does not allow "${needs[0]!.value}"`,
      suggestion: `Start ngrokd by its launcher, which adds ${[...flags].join(" ")}: ngrokd launch`,
    };
  });
}
