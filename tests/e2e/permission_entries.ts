import config from "../../deno.json" with { type: "json" };
import type { ShippedSet } from "../../scripts/permission_flags.ts";

/** What a set of deno.json may hold of one kind; `true` would grant the whole kind. */
type Grant = true | readonly string[] | {
  readonly allow?: readonly string[];
  readonly ignore?: readonly string[];
};

/** Named permissions of deno.json, by kind. */
export type PermissionSet = Readonly<Record<string, Grant>>;

/** What a program did, as `DENO_AUDIT_PERMISSIONS` records it. */
export interface Use {
  readonly permission: string;
  readonly value: string;
}

/** A set that ships. */
export function shippedSet(name: ShippedSet): PermissionSet {
  return config.permissions[name];
}

/**
 * The entries of a set, each as the flag that stands for it alone: `--allow-read=/etc/group`, `--ignore-env=LOG_STREAM`.
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

/** The flags that hold exactly these entries: one for each kind, since a second one of a kind would take the place of the first. */
export function flagsOf(entries: readonly string[]): string[] {
  const kinds = Map.groupBy(entries, (entry) => entry.slice(0, entry.indexOf("=")));
  return [...kinds].map(([flag, group]) =>
    `${flag}=${group.map((entry) => entry.slice(flag.length + 1)).join(",")}`
  );
}

/** The flags that hold all entries of a set but one. @throws {RangeError} If the set does not hold it. */
export function flagsWithout(entry: string, set: PermissionSet): string[] {
  const entries = entriesOf(set);
  const left = entries.filter((other) => other !== entry);
  if (left.length !== entries.length - 1) {
    throw new RangeError(`Cannot take ${entry} away: it is not there once`);
  }
  return flagsOf(left);
}

/** Whether one of the entries grants (or ignores) what was done. Deno itself is not asked: it recorded the use. */
export function covers(entries: readonly string[], { permission, value }: Use): boolean {
  return entries.some((entry) => {
    const [, kind, granted = ""] = /^--(?:allow|ignore)-([a-z]+)=(.*)$/.exec(entry) ?? [];
    if (kind !== permission) return false;
    if (kind === "read" || kind === "write") return value === granted || value.startsWith(`${granted}/`);
    if (kind !== "net" || value.startsWith("unix:")) return value === granted;
    // fetch() is recorded with its URL, a connection with host and port.
    const host = value.includes("://") ? new URL(value).hostname : value.replace(/:[0-9]+$/, "");
    return granted === "0.0.0.0/0" ? /^[0-9]+(\.[0-9]+){3}$/.test(host) : host === granted;
  });
}
