import { isHostname, normalizeHostname, parentDomains } from "../../lib/hostname.ts";
import type { HostsLine } from "../hosts/hosts_block.ts";
import { readSearchDomains } from "./search_domains.ts";

/**
 * Returns the names of this machine: the host name, its first label, the full names that the hosts
 * file gives it, the domains above those, and its search domains.
 */
export function machineNames(sources: MachineSources): MachineNames {
  const { hostname, hostsLines, resolvConf } = sources;
  const own = normalizeHostname(hostname);
  const [short = ""] = own.split(".");
  const searchDomains = readSearchDomains(resolvConf);
  const inHosts = hostsLines
    .filter(({ names }) => names.includes(own) || names.includes(short))
    .flatMap(({ names }) => names.filter((name) => name.startsWith(`${short}.`)));
  const full = [own, ...inHosts].filter(isHostname);
  const [domain] = searchDomains;
  const inDomain = domain === undefined ? [] : [`${short}.${domain}`];
  return {
    names: [...new Set([...full, short, `${short}.local`, `${short}.localdomain`])],
    domains: [...new Set([...full, ...inDomain].flatMap(parentDomains))],
    searchDomains,
  };
}

/** The names of a machine, normalised. */
export interface MachineNames {
  readonly names: readonly string[];
  /** The domains above its full names, and the first search domain with those above it. */
  readonly domains: readonly string[];
  readonly searchDomains: readonly string[];
}

/** The sources of the names of a machine. */
export interface MachineSources {
  readonly hostname: string;
  /** The lines of the hosts file outside ngrokd's section. */
  readonly hostsLines: readonly HostsLine[];
  /** The content of resolv.conf; empty if it is unreadable. */
  readonly resolvConf: string;
}
