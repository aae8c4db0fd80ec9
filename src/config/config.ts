import { isKey, type Key } from "./key.ts";
import { KEYS } from "./keys.ts";

/** The configuration: a checked value for every key, in the shape of {@linkcode KEYS}. */
export type Config = ValuesOf<typeof KEYS>;

type ValuesOf<Entries> = {
  readonly [Name in keyof Entries]: Entries[Name] extends Key<infer Value> ? Value : ValuesOf<Entries[Name]>;
};

/** A key and the path of its value in a {@linkcode Config}. */
export interface KeyEntry {
  readonly key: Key<unknown>;
  readonly path: readonly [string] | readonly [section: string, property: string];
}

/** Every key, in the order of the table. */
export const KEY_ENTRIES: readonly KeyEntry[] = Object.entries(KEYS).flatMap(([name, entry]): KeyEntry[] =>
  isKey(entry)
    ? [{ key: entry, path: [name] }]
    : Object.entries<Key<unknown>>(entry).map(([property, key]): KeyEntry => ({
      key,
      path: [name, property],
    }))
);

/** The values of a file that sets no key (docs/compatibility.md 4.2). */
export const DEFAULTS: Config = buildConfig((key) => key.default);

/** The ingress that is dialled if neither the file nor the API names one (docs/protocol.md 3.1). */
export const DEFAULT_INGRESS = { hostname: "kubernetes-binding-ingress.ngrok.io", port: 443 };

/** Returns a configuration with the value that `valueOf` gives for each key. */
export function buildConfig(valueOf: (key: Key<unknown>) => unknown): Config {
  const config: Record<string, unknown> = {};
  for (const { key, path: [name, property] } of KEY_ENTRIES) {
    if (property === undefined) config[name] = valueOf(key);
    else Object.assign(config[name] ??= {}, { [property]: valueOf(key) });
  }
  return config as Config;
}

/** Returns the value of a key, and the values of its section by property. */
export function valueOf(
  config: Config,
  { path: [name, property] }: KeyEntry,
): { readonly value: unknown; readonly section: Readonly<Record<string, unknown>> } {
  const root: Readonly<Record<string, unknown>> = config;
  if (property === undefined) return { value: root[name], section: root };
  const section = root[name] as Readonly<Record<string, unknown>>;
  return { value: section[property], section };
}
