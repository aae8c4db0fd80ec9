import config from "../deno.json" with { type: "json" };

/** The permission sets in deno.json that ship. */
export type ShippedSet = "ngrokd" | "ngrokctl";

type Kind = "read" | "write" | "net";

/**
 * Returns the flags for a shipped set and extra flags (`--allow-net=…`, one value each). A flag
 * replaces the set's whole list of its kind, so the result repeats that list with the extras.
 */
export function permissionFlags(set: ShippedSet, extra: readonly string[]): string[] {
  const byKind = Map.groupBy(extra, (flag) => /^--allow-([a-z]+)=/.exec(flag)?.[1] as Kind);
  const flags = [...byKind].map(([kind, group]) => {
    const shipped: readonly string[] = config.permissions[set][kind];
    const added = group.map((flag) => flag.slice(flag.indexOf("=") + 1));
    return `--allow-${kind}=${[...new Set([...shipped, ...added])].join(",")}`;
  });
  return [`-P=${set}`, ...flags];
}
