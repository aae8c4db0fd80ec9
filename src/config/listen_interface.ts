import { isHostname, isWildcard, normalizeHostname } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { printable } from "../lib/printable.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import { isUnset, type ListInterfaces, type ReadContext, refuse, type ValueType } from "./value_type.ts";
import { checkCount, listOf, readText, suggestWord } from "./scalar_types.ts";

/** A listen interface; any name is accepted if the interfaces are not known. */
export const listenInterface: ValueType<string> = {
  values: "`virtual`, IPv4 address or interface",
  read: (value, { interfaces }) => readListenInterface(value, interfaces),
};

/** A map of host names (or `*.suffix`) to listen interfaces, without a prototype. */
export const overrides: ValueType<Readonly<Record<string, string>>> = {
  values: "map of host to listen interface",
  read: readOverrides,
};

/** A list of host names (or `*.suffix`). */
export const hostPatterns: ValueType<readonly string[]> = listOf("`host` or `*.suffix`", {
  read: (value) => readHostPattern(readText(value)),
});

function readListenInterface(value: unknown, interfaces: ListInterfaces | undefined): string {
  const text = readText(value);
  if (text === VIRTUAL || parseIpv4(text) !== undefined) return text;
  if (text.includes(":")) {
    refuse(
      `"${printable(text)}" is not an IPv4 address`,
      "ngrokd listens on IPv4 only, and start_port sets the port",
    );
  }
  if (interfaces === undefined) return text;
  const names = new Set(interfaces().map((entry) => entry.interface));
  if (names.has(text)) return text;
  return refuse(
    `"${printable(text)}" is not virtual, an IPv4 address, or an interface of this machine that has one`,
    suggestWord(text, [VIRTUAL, ...names]) ?? `The interfaces are ${[...names].sort().join(", ")}`,
  );
}

function readOverrides(value: unknown, context: ReadContext<unknown>): Readonly<Record<string, string>> {
  const { at, interfaces } = context;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse("it is not a map of host names to listen interfaces");
  }
  // Without a prototype, because a host may be called "constructor".
  const overrides: Record<string, string> = Object.create(null);
  const entries = Object.entries(value);
  checkCount(entries.length);
  for (const [key, entry] of entries) {
    let host = key;
    at(key, () => {
      host = readHostPattern(readText(key));
      if (host in overrides) refuse("the host is listed twice");
    });
    at(key, () => overrides[host] = readOverride(entry, interfaces));
  }
  return overrides;
}

function readHostPattern(key: string): string {
  const host = normalizeHostname(key);
  if (isHostname(host) || isWildcard(host)) return host;
  const bare = host.replace(/^[a-z]+:\/\//, "").replace(/[:/].*$/, "");
  const usable = isHostname(bare) || isWildcard(bare);
  const suggestion = usable ? `Write ${bare}, without scheme and port` : undefined;
  return refuse(`"${printable(key)}" is not a host name or *.suffix`, suggestion);
}

function readOverride(value: unknown, interfaces: ListInterfaces | undefined): string {
  if (isUnset(value)) {
    return refuse("the listen interface is empty", "Write virtual, an IPv4 address, or an interface");
  }
  return readListenInterface(value, interfaces);
}
