import config from "../deno.json" with { type: "json" };

/** The sets of deno.json that a program ships with. */
export type ShippedSet = "ngrokd" | "ngrokctl";

type Kind = "read" | "write" | "net";

/**
 * The flags that give a program its shipped set and the extra ones (`--allow-net=…`, one value each). A flag takes the place of the set's
 * whole list of its kind, it does not add to it: so each kind that has an extra is given whole.
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
