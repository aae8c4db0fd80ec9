import { isHostname, normalizeHostname, parentDomains } from "../../lib/hostname.ts";
import type { HostsLine } from "../hosts/hosts_block.ts";

/**
 * Returns the names of this machine: the host name, its first label, the full names that the hosts
 * file and resolv.conf give it, and the domains above those.
 */
export function machineNames(sources: MachineSources): MachineNames {
  const { hostname, hostsLines, resolvConf } = sources;
  const own = normalizeHostname(hostname);
  const [short = ""] = own.split(".");
  const domain = searchDomain(resolvConf);
  const inHosts = hostsLines
    .filter(({ names }) => names.includes(own) || names.includes(short))
    .flatMap(({ names }) => names.filter((name) => name.startsWith(`${short}.`)));
  const full = [own, ...inHosts, ...(domain === undefined ? [] : [`${short}.${domain}`])].filter(isHostname);
  return {
    names: [...new Set([...full, short, `${short}.local`, `${short}.localdomain`])],
    domains: [...new Set(full.flatMap(parentDomains))],
  };
}

/** The names of a machine, normalised. */
export interface MachineNames {
  readonly names: readonly string[];
  /** The domains above its full names. */
  readonly domains: readonly string[];
}

/** The sources of the names of a machine. */
export interface MachineSources {
  readonly hostname: string;
  /** The lines of the hosts file outside ngrokd's section. */
  readonly hostsLines: readonly HostsLine[];
  /** The content of resolv.conf; empty if it is unreadable. */
  readonly resolvConf: string;
}

/** Returns the domain of this machine: the last `domain` or `search` counts (resolv.conf(5)). */
function searchDomain(text: string): string | undefined {
  const [last] = [...text.matchAll(/^(?:domain|search)[ \t]+([^\s#;]+)/gm)].slice(-1);
  const domain = normalizeHostname(last?.[1] ?? "");
  return isHostname(domain) ? domain : undefined;
}
