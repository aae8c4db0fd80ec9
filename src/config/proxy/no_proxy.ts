import { normalizeHostname } from "../../lib/hostname.ts";
import { cidrContains, parseCidr, parseIpv4 } from "../../lib/ipv4.ts";

/**
 * Returns the entry of a `NO_PROXY` list that matches the server; undefined if none does. Commas or
 * white space separate the entries: `*`; a host, which matches names below it too; `.suffix` or
 * `*.suffix`, which matches only names below it; an IP address; an IPv4 network (`10.0.0.0/8`). All
 * but networks may end in `:port`. No name is resolved.
 */
export function noProxyEntry(list: string, server: ProxiedServer): string | undefined {
  return list.split(/[\s,]+/).find((entry) => entry !== "" && matches(entry, server));
}

/** The server of a request. */
export interface ProxiedServer {
  /** The spelling of `URL`: lower case, IPv6 in brackets. */
  readonly hostname: string;
  readonly port: number;
}

function matches(entry: string, { hostname, port }: ProxiedServer): boolean {
  if (entry === "*") return true;
  const network = parseCidr(entry);
  const address = parseIpv4(hostname);
  if (network !== undefined) return address !== undefined && cidrContains(network, address);
  const { host, wantedPort } = split(entry);
  if (wantedPort !== undefined && Number(wantedPort) !== port) return false;
  const wanted = normalizeHostname(host.replace(/^\*\./, "."));
  const own = normalizeHostname(hostname);
  if (wanted.startsWith(".")) return wanted.length > 1 && own.endsWith(wanted);
  // An address has no names below it, although "10.0.0.1" ends with ".1".
  return own === wanted || (address === undefined && wanted !== "" && own.endsWith(`.${wanted}`));
}

/** Splits an entry into host and port. IPv6 needs brackets only if a port follows. */
function split(entry: string): { host: string; wantedPort: string | undefined } {
  const bare = entry.replace(/^\[(.*)\]$/, "$1");
  if (bare.split(":").length > 2 && !bare.startsWith("[")) {
    return { host: URL.parse(`http://[${bare}]`)?.hostname ?? "", wantedPort: undefined };
  }
  const [, host = entry, wantedPort] = /^(.*?)(?::([0-9]+))?$/.exec(entry) ?? [];
  return { host: host.startsWith("[") ? URL.parse(`http://${host}`)?.hostname ?? "" : host, wantedPort };
}
