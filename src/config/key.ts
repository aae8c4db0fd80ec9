import { dirname } from "node:path";
import type { Capability } from "../system/permissions.ts";
import type { ValueType } from "./value_type.ts";

/** A key of the configuration file. */
export interface Key<T> {
  /** Its path in the file: `net.start_port`. */
  readonly name: string;
  readonly type: ValueType<T>;
  readonly default: NoInfer<T>;
  /** The default on an operating system, as Deno names it, if systems differ. */
  defaultOn?(os: string): NoInfer<T>;
  readonly area: Area;
  /** One line for the reference. */
  readonly doc: string;
  /** The capabilities that a value needs; `section` has the other values of its section. */
  needs?(value: T, section: Readonly<Record<string, unknown>>): readonly Need[];
}

/** A capability that one value of the configuration needs. */
export interface Need {
  readonly capability: Capability;
  /** The value as messages show it. */
  readonly value: string;
  /** The entry of a map that holds the value. */
  readonly entry?: string;
}

/**
 * The parts of the daemon that a changed value concerns, each with its effect as the reference
 * describes it.
 */
export const AREAS = {
  log: "new log lines use it",
  api: "new requests use it; polls at once",
  operator: "updates the operator at once",
  poll: "polls at once, then at the new interval",
  endpoints: "changes addresses and listeners at once",
  ingress: "new connections use it",
  connections: "running connections use it at their next request or check",
  end: "the next stop uses it",
  identity: "the next attempt uses it",
  probes: "the next probe uses it",
  health: "changes the health server at once",
  dns: "changes the DNS server at once",
  restart: "takes effect **after a restart**",
} as const;

/** A part of the daemon, or `restart` if no part takes a new value while it runs. */
export type Area = keyof typeof AREAS;

/** A part of the daemon that takes new values while it runs. */
export type LiveArea = Exclude<Area, "restart">;

/** Checks that type, default and needs of an entry fit together. */
export function key<T>(entry: Key<T>): Key<T> {
  return entry;
}

/** Returns true for a key, false for a section of keys. */
export function isKey(entry: object): entry is Key<unknown> {
  return "type" in entry;
}

/** Returns the net permission for a host, or for a host and port. */
export function netNeed(host: string, value = host): Need {
  return { value, capability: { kind: "net", host } };
}

/**
 * Returns the permissions to replace a file. A temporary file beside it is renamed, so the
 * directory must be writable.
 */
export function replaceNeeds(file: string): Need[] {
  const path = dirname(file);
  return [
    { value: file, capability: { kind: "read", path } },
    { value: file, capability: { kind: "write", path } },
  ];
}
