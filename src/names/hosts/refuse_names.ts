import { isHostname } from "../../lib/hostname.ts";
import { parseIpv4 } from "../../lib/ipv4.ts";
import { isLocalhostName } from "../../lib/loopback_host.ts";

const LOCAL_NAMES = new Set([
  "localdomain",
  "localhost.localdomain",
  "localhost4",
  "localhost6",
  "localhost4.localdomain4",
  "localhost6.localdomain6",
  "ip6-localhost",
  "ip6-loopback",
  "ip6-localnet",
  "ip6-mcastprefix",
  "ip6-allnodes",
  "ip6-allrouters",
  "ip6-allhosts",
  "broadcasthost",
]);

/**
 * Returns the reason why an endpoint must not have a name (normalised, or a wildcard) because that
 * would hijack the machine; undefined if it may (docs/reliability.md R9; RFC 6761 6.3 for
 * `localhost`).
 */
export function refuseHijack(name: string, reserved: ReservedNames): string | undefined {
  const bare = name.startsWith("*.") ? name.slice(2) : name;
  if (LOCAL_NAMES.has(bare) || isLocalhostName(bare)) {
    return `"${name}" means this machine itself`;
  }
  const machine = reserved.machine.flatMap((own) => {
    const [short] = own.split(".");
    return [own, short!, `${short}.local`, `${short}.localdomain`];
  });
  if (machine.some((own) => covers(name, own))) return `"${name}" is the name of this machine`;
  if (reserved.cloud.some((host) => covers(name, host))) {
    return `"${name}" is a name that the daemon itself connects to`;
  }
  return undefined;
}

/** The names that no endpoint may have on this machine, normalised. */
export interface ReservedNames {
  /** The host names of this machine; a full name includes its first label. */
  readonly machine: readonly string[];
  /** The hosts that the daemon itself connects to: the API and the ingress. */
  readonly cloud: readonly string[];
}

/**
 * Returns the reason why a name with this address cannot be in a hosts file; undefined if it can.
 */
export function refuseHostsLine(name: string, address: string): string | undefined {
  if (name.includes("*")) return "a hosts file cannot hold a wildcard";
  if (!isHostname(name)) return "it is not a host name";
  if (parseIpv4(address) === undefined) return `${JSON.stringify(address)} is not an IPv4 address`;
  return undefined;
}

function covers(name: string, host: string): boolean {
  return name === host || (name.startsWith("*.") && host.endsWith(name.slice(1)));
}
