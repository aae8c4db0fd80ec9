import { isHostname, parentDomains } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { discoveryLabel } from "../names/policy/well_known_names.ts";
import { TYPE } from "./query.ts";

/** Seconds; shorter than the interval of polls, so that clients notice a new address. */
const TTL = 5;
/** The record of a name of ours that must not resolve. */
export const NO_RECORD: Uint8Array = new Uint8Array(0);

/**
 * Our names and their addresses, immutable. Names are found like routes: exact before wildcard,
 * longest suffix first, at any depth, never the bare suffix. Below a wildcard, names by which
 * programs configure themselves and names that no endpoint may have are not ours. The first of two
 * entries for one name is used.
 */
export class Zone {
  static readonly EMPTY: Zone = new Zone([]);
  /** The A record of each name; null for the address that receives the query. */
  readonly #exact = new Map<string, Uint8Array | null>();
  readonly #wildcard = new Map<string, Uint8Array | null>();
  /** The most labels of a suffix in `#wildcard`. */
  readonly #deepest: number;
  /** The domains that have names of ours below them, made when somebody asks. */
  #parents: ReadonlySet<string> | undefined;
  readonly #refuses: (name: string) => boolean;

  /**
   * `refuses` returns true for names that no endpoint may have, whatever wildcard is above them.
   *
   * @throws {RangeError} If an address is not IPv4.
   */
  constructor(names: Iterable<ZoneName>, refuses: (name: string) => boolean = () => false) {
    this.#refuses = refuses;
    for (const { hostname, address, withheld = false } of names) {
      const record = withheld ? NO_RECORD : address === undefined ? null : addressRecord(address);
      const [map, key] = hostname.startsWith("*.")
        ? [this.#wildcard, hostname.slice(2)]
        : [this.#exact, hostname];
      if (!map.has(key)) map.set(key, record);
    }
    this.#deepest = this.#wildcard.keys().reduce((most, key) => Math.max(most, key.split(".").length), 1);
  }

  /**
   * Finds the A record (see {@linkcode addressRecord}) for a normalised name; undefined if the name
   * is not ours, {@linkcode NO_RECORD} if it is and must not resolve. `localRecord` is the record
   * of the local address.
   */
  find(name: string, localRecord: Uint8Array): Uint8Array | undefined {
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact ?? localRecord;
    if (this.#wildcard.size === 0) return undefined;
    for (const suffix of lastDomains(name, this.#deepest)) {
      const found = this.#wildcard.get(suffix);
      if (found === undefined) continue;
      if (!isHostname(name)) return undefined;
      // Programs that look for a proxy or a service below a wildcard must not find its endpoint.
      const below = name.slice(0, -suffix.length - 1);
      if (discoveryLabel(below) !== undefined || this.#refuses(name)) return undefined;
      return found ?? localRecord;
    }
    return undefined;
  }

  /** Returns true if a normalised name is ours. */
  has(name: string): boolean {
    return this.find(name, NO_RECORD) !== undefined;
  }

  /** Returns true if a name of ours is below this domain. */
  hasNamesBelow(domain: string): boolean {
    this.#parents ??= new Set(
      [...this.#exact.keys()].flatMap(parentDomains).concat(
        [...this.#wildcard.keys()].flatMap((suffix) => [suffix, ...parentDomains(suffix)]),
      ),
    );
    return domain === "" || this.#parents.has(domain) || this.has(`x.${domain}`);
  }
}

/**
 * The domains above a name that have at most `labels` labels, the longest one first. A foreign name
 * of 126 labels costs no more than another.
 */
function lastDomains(name: string, labels: number): string[] {
  const domains: string[] = [];
  let dot = name.length;
  while (domains.length < labels && (dot = name.lastIndexOf(".", dot - 1)) > 0) {
    domains.push(name.slice(dot + 1));
  }
  return domains.reverse();
}

/**
 * Encodes an A record in wire form (RFC 1035 4.1.3). Its name is a pointer to the name of the
 * question.
 *
 * @throws {RangeError} If the address is not IPv4.
 */
export function addressRecord(address: string): Uint8Array {
  const value = parseIpv4(address);
  if (value === undefined) {
    throw new RangeError(`Cannot make an A record: "${address}" is not an IPv4 address`);
  }
  const record = new Uint8Array([0xc0, 12, 0, TYPE.A, 0, 1, 0, 0, 0, TTL, 0, 4, 0, 0, 0, 0]);
  new DataView(record.buffer).setUint32(12, value);
  return record;
}

/** One of our names. */
export interface ZoneName {
  /** Normalised; `*.example.com` for a wildcard. */
  readonly hostname: string;
  /** IPv4; undefined for the local address that receives the query. */
  readonly address: string | undefined;
  /** True if the name must not resolve, here or anywhere else. @default {false} */
  readonly withheld?: boolean;
}
