import { type Config, KEY_ENTRIES, valueOf } from "./config.ts";
import type { LiveArea } from "./key.ts";

/** The difference between two configurations. */
export interface ConfigDiff {
  /** The changed keys, in the file's spelling. */
  readonly paths: readonly string[];
  /** The parts of the daemon that must take new values. */
  readonly areas: ReadonlySet<LiveArea>;
  /** The changed keys that take effect at the next start only. */
  readonly needsRestart: readonly string[];
}

/** Compares two configurations; nothing differs if `paths` is empty. */
export function diffConfig(before: Config, after: Config): ConfigDiff {
  const changed = KEY_ENTRIES
    .filter((entry) => canonical(valueOf(before, entry).value) !== canonical(valueOf(after, entry).value))
    .map(({ key }) => key);
  const areas = new Set<LiveArea>();
  for (const { area } of changed) if (area !== "restart") areas.add(area);
  return {
    paths: changed.map(({ name }) => name),
    areas,
    needsRestart: changed.filter(({ area }) => area === "restart").map(({ name }) => name),
  };
}

/** Returns JSON in which the order of a map does not matter. */
function canonical(value: unknown): string | undefined {
  return JSON.stringify(
    value,
    (_, inner) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1)
        : inner,
  );
}
