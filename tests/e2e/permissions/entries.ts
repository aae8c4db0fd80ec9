import config from "../../../deno.json" with { type: "json" };
import type { AddedSet, ShippedSet } from "../../../scripts/permission_flags.ts";

/** The entries of one kind in a set of deno.json; `true` grants the whole kind. */
type Grant = true | readonly string[] | {
  readonly allow?: readonly string[];
  readonly ignore?: readonly string[];
};

/** A permission set of deno.json, by kind. */
export type PermissionSet = Readonly<Record<string, Grant>>;

/**
 * One line of the file that `DENO_AUDIT_PERMISSIONS` names: a permission that a program asked for.
 */
export interface Use {
  readonly permission: string;
  readonly value: string;
}

/** A set of deno.json that ships. */
export function shippedSet(name: ShippedSet | AddedSet): PermissionSet {
  return config.permissions[name];
}

/** The entries of several sets that ship. */
export function entriesOfSets(names: readonly (ShippedSet | AddedSet)[]): string[] {
  return names.flatMap((name) => entriesOf(shippedSet(name)));
}

/**
 * The entries of a set, each as a flag of its own: `--allow-read=/etc/group`,
 * `--ignore-env=LOG_STREAM`.
 *
 * @throws {RangeError} For a kind that is granted as a whole.
 */
export function entriesOf(set: PermissionSet): string[] {
  return Object.entries(set).flatMap(([kind, grant]) => {
    if (grant === true) throw new RangeError(`Cannot list the entries of ${kind}: all of it is granted`);
    const { allow = [], ignore = [] } = "length" in grant ? { allow: grant } : grant;
    return [
      ...allow.map((value) => `--allow-${kind}=${value}`),
      ...ignore.map((value) => `--ignore-${kind}=${value}`),
    ];
  });
}

/**
 * The flags for these entries: one flag for each kind, because a second one would replace the
 * first.
 */
export function flagsOf(entries: readonly string[]): string[] {
  const kinds = Map.groupBy(entries, (entry) => entry.slice(0, entry.indexOf("=")));
  return [...kinds].map(([flag, group]) =>
    `${flag}=${group.map((entry) => entry.slice(flag.length + 1)).join(",")}`
  );
}

/**
 * The flags for all entries but one.
 *
 * @throws {RangeError} If it does not occur exactly once.
 */
export function flagsWithout(entry: string, entries: readonly string[]): string[] {
  const others = entries.filter((other) => other !== entry);
  if (others.length !== entries.length - 1) {
    throw new RangeError(`Cannot leave ${entry} out: it does not occur exactly once`);
  }
  return flagsOf(others);
}

/** Returns true if one of the entries grants, or ignores, this use. */
export function covers(entries: readonly string[], { permission, value }: Use): boolean {
  return entries.some((entry) => {
    const [, kind, granted = ""] = /^--(?:allow|ignore)-([a-z]+)=(.*)$/.exec(entry) ?? [];
    if (kind !== permission) return false;
    if (kind === "read" || kind === "write") return value === granted || value.startsWith(`${granted}/`);
    if (kind !== "net" || value.startsWith("unix:") || value === granted) return value === granted;
    // Deno records fetch() with its URL, a connection with host and port.
    const host = value.includes("://") ? new URL(value).hostname : value.replace(/:[0-9]+$/, "");
    return granted === "0.0.0.0/0" ? /^[0-9]+(\.[0-9]+){3}$/.test(host) : host === granted;
  });
}
