import { parseIpv4 } from "../lib/ipv4.ts";
import { isSharedListenMode } from "../model/listen_mode.ts";
import { ANY_ADDRESS } from "../model/route_table.ts";
import type { Service } from "../model/service.ts";

/** The addresses of `net.advertise_ips` that names of one listen mode can have. */
export interface SpreadCandidates {
  /** Those that a new name can get: this machine has them now. */
  readonly present: readonly string[];
  /** Those that a name keeps: also addresses that this machine does not have now. */
  readonly kept: readonly string[];
}

/**
 * Returns the names of https and tls endpoints that are spread over `net.advertise_ips`, with the
 * addresses of each. A name on an address that the user chose stays there, and a name on an
 * interface gets only addresses of this interface: another network must not reach it.
 */
export function spreadCandidates(
  services: readonly Service[],
  options: CandidateOptions,
): ReadonlyMap<string, SpreadCandidates> {
  const { modeOf } = options;
  const byMode = new Map<string, SpreadCandidates>();
  const names = new Map<string, SpreadCandidates>();
  for (const { hostname, scheme } of services) {
    const mode = modeOf(hostname);
    if (!isWeb(scheme) || !isSpreadMode(mode)) continue;
    const candidates = byMode.get(mode) ?? candidatesOf(mode, options);
    byMode.set(mode, candidates);
    if (candidates.kept.length > 0) names.set(hostname, candidates);
  }
  return names;
}

/** Returns the names of https and tls endpoints that are pinned to one of `net.advertise_ips`. */
export function pinnedNames(
  services: readonly Service[],
  { modeOf, advertiseIps }: Pick<CandidateOptions, "modeOf" | "advertiseIps">,
): ReadonlyMap<string, string> {
  const pinned = services.filter(({ hostname, scheme }) =>
    isWeb(scheme) && advertiseIps.includes(modeOf(hostname))
  );
  return new Map(pinned.map(({ hostname }) => [hostname, modeOf(hostname)]));
}

/** Options of {@linkcode spreadCandidates}. */
export interface CandidateOptions extends AdvertisedIps {
  /** Returns the listen mode of a host name. */
  readonly modeOf: (hostname: string) => string;
}

/** `net.advertise_ips`, and where this machine has them. */
export interface AdvertisedIps {
  /** The addresses over which the names of shared https and tls endpoints are spread. */
  readonly advertiseIps: readonly string[];
  /** Those of `advertiseIps` that this machine has now, once for each interface. */
  readonly presentIps: readonly { readonly interface: string; readonly address: string }[];
}

/** Returns those of the addresses that this machine does not have now. */
export function missingIps({ advertiseIps, presentIps }: AdvertisedIps): ReadonlySet<string> {
  const present = new Set(presentIps.map(({ address }) => address));
  return new Set(advertiseIps.filter((address) => !present.has(address)));
}

function isWeb(scheme: Service["scheme"]): boolean {
  return scheme === "https" || scheme === "tls";
}

function isSpreadMode(mode: string): boolean {
  return isSharedListenMode(mode) && (mode === ANY_ADDRESS || parseIpv4(mode) === undefined);
}

function candidatesOf(mode: string, ips: AdvertisedIps): SpreadCandidates {
  const found = ips.presentIps.filter((entry) => mode === ANY_ADDRESS || isOn(entry.interface, mode));
  const present = new Set(found.map(({ address }) => address));
  const missing = missingIps(ips);
  return {
    present: ips.advertiseIps.filter((address) => present.has(address)),
    kept: ips.advertiseIps.filter((address) => present.has(address) || missing.has(address)),
  };
}

/** Returns true for an interface, and for the label of one of its addresses, as `eth0:1`. */
function isOn(label: string, name: string): boolean {
  return label === name || label.startsWith(`${name}:`);
}
