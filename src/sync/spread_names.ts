import { certificateDomains, type CertificateOptions } from "../model/coalescing.ts";
import type { SpreadCandidates } from "./spread_candidates.ts";

/** The largest number of saved names. Those that are absent longest go first. */
const MAX_NAMES = 10_000;

/** The names that have addresses of `net.advertise_ips`. */
export interface SpreadNames {
  /** The addresses of the configuration that this machine has had. */
  readonly addresses: readonly string[];
  /** Host name → address. Absent names come first, and of these the one absent longest. */
  readonly names: ReadonlyMap<string, string>;
}

/** The state without `net.advertise_ips`. */
export const NOT_SPREAD: SpreadNames = { addresses: [], names: new Map() };

/**
 * Gives each name one of its addresses. A name keeps the address that it had, also while others
 * come and go. A new one gets the address with the fewest names that one certificate could be for,
 * and of those the one with the fewest names. When this machine has an address that it did not have
 * before, a name that shares its own moves if it then shares with fewer.
 */
export function spreadNames(
  wanted: ReadonlyMap<string, SpreadCandidates>,
  options: SpreadOptions,
): SpreadNames {
  const { addresses, missing, known, pinned } = options;
  if (addresses.length === 0) return known;
  const names = new Map(
    [...known.names].filter(([hostname, address]) =>
      (wanted.get(hostname)?.kept ?? addresses).includes(address)
    ),
  );
  const seen = addresses.filter((address) => !missing.has(address) || known.addresses.includes(address));
  const hasMore = seen.some((address) => !known.addresses.includes(address));
  const present = new Usage(addresses, options);
  const all = new Usage(addresses, options);
  for (const [hostname, address] of pinned) {
    for (const usage of [present, all]) usage.add(hostname, address);
  }
  const moving: [string, string][] = [];
  for (const [hostname, address] of names) {
    const isWanted = wanted.has(hostname);
    if (hasMore && isWanted && present.conflicts(hostname, address) > 0) {
      moving.push([hostname, address]);
      continue;
    }
    all.add(hostname, address);
    if (isWanted) present.add(hostname, address);
  }
  function give(hostname: string, candidates: readonly string[]): void {
    const address = best(candidates, (candidate) => [
      present.conflicts(hostname, candidate),
      all.conflicts(hostname, candidate),
      all.count(candidate),
    ]);
    names.set(hostname, address);
    for (const usage of [present, all]) usage.add(hostname, address);
  }
  for (const [hostname, address] of moving) {
    const now = present.conflicts(hostname, address);
    const better = wanted.get(hostname)!.present.filter((each) => present.conflicts(hostname, each) < now);
    give(hostname, better.length === 0 ? [address] : better);
  }
  for (const [hostname, candidates] of wanted) {
    if (!names.has(hostname) && candidates.present.length > 0) give(hostname, candidates.present);
  }
  return { addresses: seen, names: withoutOldest(names, wanted) };
}

/** Options of {@linkcode spreadNames}. */
export interface SpreadOptions extends CertificateOptions {
  /** `net.advertise_ips` */
  readonly addresses: readonly string[];
  /** Those of `addresses` that this machine does not have now. No name gets one of these. */
  readonly missing: ReadonlySet<string>;
  /** The state of earlier rounds. */
  readonly known: SpreadNames;
  /** Names that are on one of `addresses` and stay there. */
  readonly pinned: ReadonlyMap<string, string>;
}

/** Counts the names on each address, and those of each domain of a certificate. */
class Usage {
  readonly #options: CertificateOptions;
  readonly #names = new Map<string, number>();
  readonly #domains: ReadonlyMap<string, Map<string, number>>;

  constructor(addresses: readonly string[], options: CertificateOptions) {
    this.#options = options;
    this.#domains = new Map(addresses.map((address) => [address, new Map()]));
  }

  add(hostname: string, address: string): void {
    this.#names.set(address, this.count(address) + 1);
    const domains = this.#domains.get(address)!;
    for (const domain of certificateDomains(hostname, this.#options)) {
      domains.set(domain, (domains.get(domain) ?? 0) + 1);
    }
  }

  count(address: string): number {
    return this.#names.get(address) ?? 0;
  }

  /** Returns the number of names on the address that share a domain with this one. */
  conflicts(hostname: string, address: string): number {
    const domains = this.#domains.get(address)!;
    return certificateDomains(hostname, this.#options).reduce(
      (sum, domain) => sum + (domains.get(domain) ?? 0),
      0,
    );
  }
}

/** Returns the address with the smallest costs, compared in order; the first of equal ones. */
function best(addresses: readonly string[], costs: (address: string) => readonly number[]): string {
  return addresses.map((address) => ({ address, costs: costs(address) })).reduce((least, each) => {
    const index = each.costs.findIndex((cost, at) => cost !== least.costs[at]);
    return index !== -1 && each.costs[index]! < least.costs[index]! ? each : least;
  }).address;
}

/** Puts the absent names first, and drops the first ones above the limit. */
function withoutOldest(
  names: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, unknown>,
): Map<string, string> {
  const { absent = [], present = [] } = Object.groupBy(
    names,
    ([hostname]) => wanted.has(hostname) ? "present" : "absent",
  );
  const surplus = Math.max(0, names.size - MAX_NAMES);
  return new Map([...absent.slice(surplus), ...present]);
}
