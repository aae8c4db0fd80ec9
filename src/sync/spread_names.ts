import { certificateDomains, type CertificateOptions } from "../model/coalescing.ts";

/** The largest number of saved names. Those that are absent longest go first. */
const MAX_NAMES = 10_000;

/** The addresses of `net.advertise_ips`, and the names that they were given to, oldest first. */
export interface SpreadNames {
  readonly addresses: readonly string[];
  /** Host name → address. */
  readonly names: ReadonlyMap<string, string>;
}

/** The state without `net.advertise_ips`. */
export const NOT_SPREAD: SpreadNames = { addresses: [], names: new Map() };

/**
 * Gives each name one of the addresses. A name keeps the address that it had, also while others
 * come and go. A new one gets the address with the fewest names that one certificate could be for,
 * and of those the one with the fewest names. When the configuration has an address that it did not
 * have, names that share one without need move.
 */
export function spreadNames(hostnames: readonly string[], options: SpreadOptions): SpreadNames {
  const { addresses, known } = options;
  if (addresses.length === 0) return known;
  const wanted = new Set(hostnames);
  const saved = [...known.names].filter(([, address]) => addresses.includes(address));
  const hasMore = addresses.some((address) => !known.addresses.includes(address));
  const present = new Usage(addresses, options);
  const moving = new Set<string>();
  for (const [hostname, address] of saved) {
    if (!wanted.has(hostname)) continue;
    if (hasMore && present.conflicts(hostname, address) > 0) moving.add(hostname);
    else present.add(hostname, address);
  }
  const kept = saved.filter(([hostname]) => !moving.has(hostname));
  const all = new Usage(addresses, options);
  for (const [hostname, address] of kept) all.add(hostname, address);
  const names = new Map(kept);
  for (const hostname of [...wanted].filter((name) => !names.has(name))) {
    const address = best(addresses, (candidate) => [
      present.conflicts(hostname, candidate),
      all.conflicts(hostname, candidate),
      all.count(candidate),
    ]);
    names.set(hostname, address);
    for (const usage of [present, all]) usage.add(hostname, address);
  }
  return { addresses: [...addresses], names: withoutOldest(names, wanted) };
}

/** Options of {@linkcode spreadNames}. */
export interface SpreadOptions extends CertificateOptions {
  /** `net.advertise_ips` */
  readonly addresses: readonly string[];
  /** The state of earlier rounds. */
  readonly known: SpreadNames;
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

function withoutOldest(names: Map<string, string>, wanted: ReadonlySet<string>): Map<string, string> {
  for (const hostname of [...names.keys()]) {
    if (names.size <= MAX_NAMES) break;
    if (!wanted.has(hostname)) names.delete(hostname);
  }
  return names;
}
