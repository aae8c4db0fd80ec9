import { isHostname, isWildcard, normalizeHostname } from "../lib/hostname.ts";
import { printable } from "../lib/printable.ts";
import { listOf, readText } from "./scalar_types.ts";
import { refuse, type ValueType } from "./value_type.ts";

/** A list of host names and `*.suffix`, normalised. */
export const hostPatterns: ValueType<readonly string[]> = listOf("host or `*.suffix`", {
  read(value) {
    const text = readText(value);
    const host = normalizeHostname(text);
    if (isHostname(host) || isWildcard(host)) return host;
    return refuse(`"${printable(text)}" is not a host name or *.suffix`);
  },
});
