import { z } from "zod";
import { type Cidr, parseCidr, parseIpv4 } from "../lib/ipv4.ts";

// With some filters `ip` prints an empty object for each line that it omits.
const Links = z.array(z.looseObject({
  ifname: z.string().optional(),
  address: z.string().default(""),
  flags: z.array(z.string()).default([]),
  master: z.string().default(""),
  linkinfo: z.looseObject({ info_kind: z.string().default("") }).default({ info_kind: "" }),
  addr_info: z.array(z.looseObject({
    family: z.string().optional(),
    local: z.string().optional(),
    prefixlen: z.number().optional(),
  })).default([]),
}));

const Routes = z.array(z.looseObject({ dst: z.string().optional(), dev: z.string().default("") }));

/**
 * Reads the output of `ip -details -json address show`.
 *
 * @throws {SyntaxError} If it is other output.
 */
export function parseLinks(text: string): Link[] {
  return parseOutput(text, Links).flatMap(({ ifname, address, flags, master, linkinfo, addr_info }) =>
    ifname === undefined ? [] : [{
      name: ifname,
      mac: address.toLowerCase(),
      kind: linkinfo.info_kind,
      up: flags.includes("UP"),
      hasCarrier: flags.includes("LOWER_UP"),
      master,
      addresses: addr_info.flatMap(({ family, local, prefixlen }) =>
        family === "inet" && local !== undefined && prefixlen !== undefined ? [`${local}/${prefixlen}`] : []
      ),
    }]
  );
}

/**
 * Reads the output of `ip -4 -json route show`, without default routes.
 *
 * @throws {SyntaxError} If it is other output.
 */
export function parseRoutes(text: string): IpRoute[] {
  return parseOutput(text, Routes).flatMap(({ dst = "", dev }) => {
    const to = parseCidr(parseIpv4(dst) === undefined ? dst : `${dst}/32`);
    return to === undefined || to.prefix === 0 ? [] : [{ to, dev }];
  });
}

/**
 * Reads JSON of `ip`.
 *
 * @throws {SyntaxError} If it is other output.
 */
export function parseOutput<T>(text: string, schema: z.ZodType<T>): T {
  // Old versions print nothing instead of an empty list.
  if (text.trim() === "") return schema.parse([]);
  const result = schema.safeParse(JSON.parse(text));
  if (!result.success) throw new SyntaxError("Unexpected structure");
  return result.data;
}

/** A network interface. */
export interface Link {
  readonly name: string;
  /** The spelling of `ip`, in lower case; `""` if the interface has none. */
  readonly mac: string;
  /** `dummy`, `bridge`, `veth` …; `""` for hardware and `lo`. */
  readonly kind: string;
  readonly up: boolean;
  /** Only known while it is up. */
  readonly hasCarrier: boolean;
  /** The name of the bridge or bond that it is a port of; `""` if it is none. */
  readonly master: string;
  /** IPv4 with prefix length, as in an argument of `ip`: `10.107.0.1/32`. */
  readonly addresses: readonly string[];
}

/** A route of any routing table. */
export interface IpRoute {
  readonly to: Cidr;
  /** `""` if it leads to no interface or to several. */
  readonly dev: string;
}
