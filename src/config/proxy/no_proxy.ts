import { normalizeHostname } from "../../lib/hostname.ts";
import { cidrContains, parseCidr, parseIpv4 } from "../../lib/ipv4.ts";

/** Where a request goes. */
export interface ProxyTarget {
  /** As `URL` gives it: lower case, IPv6 in brackets. */
  readonly hostname: string;
  readonly port: number;
}

/**
 * The entry of a `NO_PROXY` list that takes the target out; undefined if none does. Entries are parted by commas or white space: `*`; a
 * host, which stands for all below it too; `.suffix` or `*.suffix`, for what is below it only; an IP address; an IPv4 network
 * (`10.0.0.0/8`). Each but a network may end in `:port`. Addresses are compared as written: no name is resolved for it.
 */
export function noProxyEntry(list: string, target: ProxyTarget): string | undefined {
  return list.split(/[\s,]+/).find((entry) => entry !== "" && matches(entry, target));
}

function matches(entry: string, { hostname, port }: ProxyTarget): boolean {
  if (entry === "*") return true;
  const network = parseCidr(entry);
  const address = parseIpv4(hostname);
  if (network !== undefined) return address !== undefined && cidrContains(network, address);
  const { host, wantedPort } = split(entry);
  if (wantedPort !== undefined && Number(wantedPort) !== port) return false;
  const wanted = normalizeHostname(host.replace(/^\*\./, "."));
  const own = normalizeHostname(hostname);
  if (wanted.startsWith(".")) return wanted.length > 1 && own.endsWith(wanted);
  // "1" is below no address, though it ends one.
  return own === wanted || (address === undefined && wanted !== "" && own.endsWith(`.${wanted}`));
}

/** IPv6 may come with and without brackets, but with a port only within them. */
function split(entry: string): { host: string; wantedPort: string | undefined } {
  const bare = entry.replace(/^\[(.*)\]$/, "$1");
  if (bare.split(":").length > 2 && !bare.startsWith("[")) {
    return { host: URL.parse(`http://[${bare}]`)?.hostname ?? "", wantedPort: undefined };
  }
  const [, host = entry, wantedPort] = /^(.*?)(?::([0-9]+))?$/.exec(entry) ?? [];
  return { host: host.startsWith("[") ? URL.parse(`http://${host}`)?.hostname ?? "" : host, wantedPort };
}
