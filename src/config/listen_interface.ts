import * as z from "zod";
import { isHostname, isWildcard, normalizeHostname } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { printable } from "../lib/printable.ts";
import { attempt, type Field, isUnset, refuse } from "./field.ts";
import { readText, suggest } from "./read_value.ts";

/** The IPv4 addresses of this machine, with the interface of each. */
export type ListInterfaces = () => readonly { readonly interface: string; readonly address: string }[];

/** `virtual`, an IPv4 address, or an interface of this machine; any name if the interfaces are not known. */
export function readListenInterface(value: unknown, interfaces: ListInterfaces | undefined): string {
  const text = readText(value);
  if (text === "virtual" || parseIpv4(text) !== undefined) return text;
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
    suggest(text, ["virtual", ...names]) ?? `The interfaces are ${[...names].sort().join(", ")}`,
  );
}

/** The map of host names (or `*.suffix`) to listen interfaces; all its problems are reported, each under its host. */
export function overridesField(
  interfaces: ListInterfaces | undefined,
): Field<Readonly<Record<string, string>>> {
  return z.unknown().optional().transform((value, context) => {
    const overrides: Record<string, string> = Object.create(null);
    if (isUnset(value)) return overrides;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      attempt(() => refuse("it is not a map of host names to listen interfaces"), { context });
      return overrides;
    }
    for (const [key, target] of Object.entries(value)) {
      const where = { context, path: [key] };
      const host = attempt(() => readHostPattern(key, overrides), where);
      overrides[host] = attempt(() => readTarget(target, interfaces), where);
    }
    return overrides;
  });
}

function readHostPattern(key: string, known: object): string {
  const host = normalizeHostname(key);
  if (host in known) return refuse("the same host stands here twice");
  if (isHostname(host) || isWildcard(host)) return host;
  const bare = host.replace(/^[a-z]+:\/\//, "").replace(/[:/].*$/, "");
  const usable = isHostname(bare) || isWildcard(bare);
  const suggestion = usable ? `Write ${bare}, without scheme and port` : undefined;
  return refuse(`"${printable(key)}" is not a host name or *.suffix`, suggestion);
}

function readTarget(target: unknown, interfaces: ListInterfaces | undefined): string {
  if (isUnset(target)) {
    return refuse("it names no listen interface", "Write virtual, an IPv4 address, or an interface");
  }
  return readListenInterface(target, interfaces);
}
