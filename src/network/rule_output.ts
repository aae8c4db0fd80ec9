import { z } from "zod";
import { type Cidr, parseCidr, parseIpv4 } from "../lib/ipv4.ts";
import { parseOutput } from "./ip_output.ts";

const EVERYTHING: Cidr = { base: 0, prefix: 0 };

const Routes = z.array(z.looseObject({
  type: z.string().default("unicast"),
  dst: z.string().optional(),
  dev: z.string().optional(),
  table: z.string().default("main"),
  protocol: z.string().default(""),
  metric: z.number().default(0),
  nexthops: z.array(z.looseObject({ dev: z.string().default("") })).default([]),
}));

const Rules = z.array(z.looseObject({
  src: z.string().default("all"),
  dst: z.string().optional(),
  dstlen: z.number().default(32),
  iif: z.string().optional(),
  table: z.string().optional(),
  suppress_prefixlen: z.number().default(-1),
}));

/** The keys of a rule that say nothing about the packets that it is for, except the destination. */
const PLAIN_KEYS: readonly string[] = [
  ...["priority", "protocol", "src", "dst", "dstlen", "iif", "table", "suppress_prefixlen", "not"],
];

/** The interface that the packets of this machine's programs come from. */
const FROM_PROGRAMS = "lo";

/**
 * Reads the output of `ip -4 -json route show table all`, with default routes.
 *
 * @throws {SyntaxError} If it is other output.
 */
export function parseTableRoutes(text: string): TableRoute[] {
  return parseOutput(text, Routes).flatMap(({ type, dst, dev, table, protocol, metric, nexthops }) => {
    const to = dst === "default"
      ? EVERYTHING
      : parseCidr(parseIpv4(dst ?? "") === undefined ? dst ?? "" : `${dst}/32`);
    return to === undefined
      ? []
      : [{ to, dev: dev ?? nexthops[0]?.dev ?? "", type, table, protocol, metric }];
  });
}

/**
 * Reads the output of `ip -4 -json rule show`: the rules that lead to a table, in their order.
 *
 * @throws {SyntaxError} If it is other output.
 */
export function parseRules(text: string): PolicyRule[] {
  return parseOutput(text, Rules).flatMap((rule) => {
    const { src, dst, dstlen, iif = FROM_PROGRAMS, table, suppress_prefixlen: longestSuppressed } = rule;
    if (table === undefined) return [];
    const base = dst === undefined || dst === "all" ? undefined : parseIpv4(dst);
    const named = base === undefined ? EVERYTHING : { base, prefix: dstlen };
    const isPlain = src === "all" && iif === FROM_PROGRAMS &&
      Object.keys(rule).every((key) => PLAIN_KEYS.includes(key));
    if (!("not" in rule)) return [{ table, to: named, longestSuppressed, isForAll: isPlain }];
    // `not` is for the whole: a rule for all but marked packets, as WireGuard's, is for nearly all
    // packets, and so is one for all but those from or to a network.
    const to = EVERYTHING;
    return [{ table, to, ...(isPlain ? { except: named } : {}), longestSuppressed, isForAll: true }];
  });
}

/** A route with its table. */
export interface TableRoute {
  readonly to: Cidr;
  /** `""` if it leads to no interface. */
  readonly dev: string;
  /** `unicast`, `local`, `broadcast`, `blackhole`, `unreachable`, `prohibit`, `throw` … */
  readonly type: string;
  /** A name, such as `main` or `local`, or a number. */
  readonly table: string;
  readonly protocol: string;
  /** Of routes to the same network, the one with the lowest counts. */
  readonly metric: number;
}

/** A rule by which the kernel looks up routes in a table (ip-rule(8)). */
export interface PolicyRule {
  readonly table: string;
  /** The destinations that it is for. */
  readonly to: Cidr;
  /** The destinations of these that it is not for. */
  readonly except?: Cidr;
  /** Routes with a prefix of this length or shorter are ignored; -1 if none are. */
  readonly longestSuppressed: number;
  /** False if it is only for some packets, such as marked or forwarded ones. */
  readonly isForAll: boolean;
}
