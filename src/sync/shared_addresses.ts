import { serviceKey } from "../model/endpoint.ts";
import { certificateDomains, type CertificateOptions } from "../model/coalescing.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import { answerAddress, ANY_ADDRESS, clientAddress, listenerKey, type Route } from "../model/route_table.ts";

/**
 * Returns a warning for each service whose requests a browser could send to another one: browsers
 * use an HTTP/2 connection again for every name with the same address and port that its certificate
 * is for (RFC 9113 9.1.1). ngrokd sees no certificate, so names for which one could be count.
 */
export function sharedAddresses(
  routes: readonly Route[],
  options: SharedOptions,
): ReadonlyMap<string, string> {
  const { advertiseIp } = options;
  const web = routes.filter(({ scheme, listenInterface }) =>
    listenInterface !== VIRTUAL && (scheme === "https" || scheme === "tls")
  );
  const sharing = new Map<string, SharedWith>();
  const pairs = web.flatMap((route) =>
    certificateDomains(route.hostname, options).map((domain) => ({ route, domain }))
  );
  const groups = Map.groupBy(pairs, ({ route, domain }) => `${route.localPort} ${domain}`);
  for (const group of groups.values()) {
    if (group.length > 1) collect(group.map(({ route }) => route), { advertiseIp, sharing });
  }
  return new Map([...sharing].map(([service, { where, names }]) => [service, warning(where, names)]));
}

/** Options of {@linkcode sharedAddresses}. */
export interface SharedOptions extends CertificateOptions {
  /** `net.advertise_ip`; `""` if there is none. */
  readonly advertiseIp: string;
}

interface SharedWith {
  /** `address:port`, or the port if clients choose the address. */
  readonly where: string;
  readonly names: Set<string>;
}

interface Collected {
  readonly advertiseIp: string;
  readonly sharing: Map<string, SharedWith>;
}

/** Records which services of a group share their addresses. */
function collect(group: readonly Route[], { advertiseIp, sharing }: Collected): void {
  const byAddress = new Map<string, Route[]>();
  for (const route of group) {
    // This machine and others may resolve a name to different addresses.
    for (const address of new Set([clientAddress(route), answerAddress(route, advertiseIp)])) {
      const routes = byAddress.get(address) ?? [];
      routes.push(route);
      byAddress.set(address, routes);
    }
  }
  const everywhere = byAddress.get(ANY_ADDRESS) ?? [];
  for (const [address, own] of byAddress) {
    // A name on every address also resolves to the one that another name has.
    const together = address === ANY_ADDRESS ? group : [...own, ...everywhere];
    const names = [...new Set(together.map(({ hostname }) => hostname))];
    if (names.length < 2) continue;
    for (const route of own) {
      const where = address === ANY_ADDRESS
        ? `port ${route.localPort}`
        : listenerKey(address, route.localPort);
      const key = serviceKey(route);
      const known = sharing.get(key) ?? { where, names: new Set() };
      sharing.set(key, known);
      addOthers(known.names, names, route.hostname);
    }
  }
}

/** The most names that a warning counts, because counting all takes quadratic time. */
const MAX_COUNTED = 100;

function addOthers(into: Set<string>, names: readonly string[], own: string): void {
  for (const name of names) {
    if (into.size >= MAX_COUNTED) return;
    if (name !== own) into.add(name);
  }
}

function warning(where: string, names: ReadonlySet<string>): string {
  const [first] = names;
  const more = names.size - 1;
  const count = names.size >= MAX_COUNTED ? `at least ${more}` : `${more}`;
  const others = more === 0 ? first : `${first} and ${count} more`;
  return `shares ${where} with ${others}: with one HTTP/2 connection for both, a browser sends requests to the wrong one; use virtual mode, or more addresses in net.advertise_ips`;
}
