import config from "../deno.json" with { type: "json" };

/** The permission sets in deno.json that ship. */
export type ShippedSet = "ngrokd" | "ngrokctl";

/** The shipped sets that are added to the set `ngrokd` where the configuration needs them. */
export type AddedSet = "ngrokd_dns" | "ngrokd_dns_macos";

type Kind = "read" | "write" | "net" | "run" | "deny-run";

/**
 * Returns the flags for a shipped set and extra flags (`--allow-net=…`, one value each). A flag
 * replaces the set's whole list of its kind, so the result repeats that list with the extras.
 */
export function permissionFlags(set: ShippedSet, extra: readonly string[]): string[] {
  const byKind = Map.groupBy(extra, (flag) => /^--(?:allow-)?([a-z-]+)=/.exec(flag)?.[1] as Kind);
  const flags = [...byKind].map(([kind, group]) => {
    const added = group.map((flag) => flag.slice(flag.indexOf("=") + 1));
    if (kind === "deny-run") return `--deny-run=${added.join(",")}`;
    const shipped: readonly string[] = config.permissions[set][kind];
    return `--allow-${kind}=${[...new Set([...shipped, ...added])].join(",")}`;
  });
  return [`-P=${set}`, ...flags];
}

/** Returns a flag for each entry of a set that is added. */
export function flagsOfSet(set: AddedSet): string[] {
  return Object.entries(config.permissions[set]).flatMap(([kind, entries]) =>
    entries.map((entry) => `--allow-${kind}=${entry}`)
  );
}
