import { machineAddress } from "../../model/machine_address.ts";
import { compare } from "../../lib/compare.ts";
import { parseEndpointUrl, type RefusedEndpoint, serviceKey } from "../../model/endpoint.ts";
import { VIRTUAL } from "../../model/listen_mode.ts";
import type { EndpointHealth, EndpointReport } from "../../model/report.ts";
import { listenerKey, type Route } from "../../model/route_table.ts";
import type { Traffic } from "../../model/traffic.ts";
import type { EndpointOutcome } from "../../sync/round.ts";

/** The zero time of Go. */
const NEVER = "0001-01-01T00:00:00Z";

/**
 * Returns the reports of all endpoints in the cloud's list, served or not, sorted by host name,
 * port and id.
 */
export function endpointReports(input: EndpointReportInput): EndpointReport[] {
  // Read once, if at all: a list has thousands of rows.
  let shared: string | undefined;
  const context = { ...input, sharedAddress: () => shared ??= input.sharedAddress() };
  const rows = [
    ...input.outcomes.map((outcome) => outcomeReport(outcome, context)),
    ...input.refused.map((endpoint) => refusedReport(endpoint, input)),
  ];
  return rows.sort((a, b) => compare(a.hostname, b.hostname) || a.port - b.port || compare(a.id, b.id));
}

/** The state that the reports are made from. */
export interface EndpointReportInput {
  readonly outcomes: readonly EndpointOutcome[];
  readonly refused: readonly RefusedEndpoint[];
  readonly traffic: (endpointId: string) => Traffic;
  /** Returns the configured mode of a host name: `virtual`, or an address or interface. */
  readonly modeOf: (hostname: string) => string;
  /** Returns the address at which clients reach a listener on every address. */
  readonly sharedAddress: () => string;
  /** Returns the last error of a service (`host:port`) that is failing. @default None is failing */
  readonly failureOf?: (service: string) => string | undefined;
  /** True if this machine uses the DNS server, so that names below a wildcard resolve. */
  readonly asksDns: boolean;
  /**
   * The names that should resolve through the DNS server and do not: name → reason. Only those of
   * wildcards count.
   *
   * @default {none}
   */
  readonly unresolved?: ReadonlyMap<string, string>;
  /** False leaves out of the reasons how to reach a wildcard. @default {true} */
  readonly showUsage?: boolean;
}

/** Returns the endpoints of the health report, by id (docs/compatibility.md 4.4). */
export function endpointHealth(
  reports: readonly EndpointReport[],
  traffic: (endpointId: string) => Traffic,
): Record<string, EndpointHealth> {
  return Object.fromEntries(
    reports.filter((report) => report.state !== "refused").map((report) => [report.id, {
      name: report.id,
      local_address: report.listen_address,
      target_uri: report.url,
      active: report.state === "active" || report.state === "failing",
      connections: report.open_connections,
      total_connections: report.total_connections,
      last_activity: report.last_activity ?? NEVER,
      errors: traffic(report.id).errors,
    }]),
  );
}

function outcomeReport(outcome: EndpointOutcome, input: EndpointReportInput): EndpointReport {
  const { endpoint, route, reason, state } = outcome;
  const { id, url, hostname, port, wildcard } = endpoint;
  const traffic = input.traffic(id);
  const mode = input.modeOf(hostname);
  const dialled = route && dialable(route, input);
  // All other names are in the hosts file, too.
  const unresolved = wildcard ? input.unresolved?.get(hostname) : undefined;
  const failure = route === undefined ? undefined : input.failureOf?.(serviceKey(endpoint));
  return {
    ...emptyReport(),
    id,
    url,
    hostname,
    port,
    wildcard,
    wildcard_suffix: wildcard ? hostname.slice(2) : "",
    state: failure === undefined ? state : "failing",
    reason: [
      failure ?? "",
      reason,
      unresolved === undefined ? "" : `does not resolve on this machine: ${unresolved}`,
      input.showUsage === false
        ? ""
        : wildcardUsage(dialled, input.asksDns && unresolved === undefined && state !== "degraded"),
    ].filter((text) => text !== "").join("; "),
    ...(route === undefined ? { mode, listen_interface: mode } : listenerFields(route, dialled!.address)),
    open_connections: traffic.open,
    total_connections: traffic.total,
    bytes_in: traffic.bytesIn,
    bytes_out: traffic.bytesOut,
    last_activity: traffic.lastActivity === undefined ? null : new Date(traffic.lastActivity).toISOString(),
  };
}

/** Returns the route with an address that can be dialled: nobody can dial 0.0.0.0. */
function dialable(route: Route, { sharedAddress }: EndpointReportInput): Route {
  return { ...route, address: machineAddress(route, sharedAddress()) };
}

function listenerFields(route: Route, dialled: string): Partial<EndpointReport> {
  const { address, localPort, listenInterface, scheme } = route;
  const virtual = listenInterface === VIRTUAL;
  const key = listenerKey(address, localPort);
  return {
    ip: dialled,
    listen_address: listenerKey(dialled, localPort),
    mode: listenInterface,
    listen_interface: virtual ? VIRTUAL : address,
    local_listener: true,
    network_port: virtual ? 0 : localPort,
    shared_listener_key: virtual || scheme === "tcp" ? "" : `shared:${key}`,
  };
}

/**
 * Returns an example of how to reach a wildcard endpoint: by name if names below the wildcard
 * resolve.
 */
function wildcardUsage(route: Route | undefined, resolves: boolean): string {
  if (route === undefined || !route.wildcard) return "";
  const { scheme, localPort, port, hostname } = route;
  const name = `name${hostname.slice(1)}`;
  const key = listenerKey(route.address, localPort);
  if (resolves) {
    if (scheme === "tcp") return `use any name below it: nc ${name} ${localPort}`;
    const url = new URL(`${scheme === "http" ? "http" : "https"}://${name}:${localPort}/`);
    return `use any name below it: curl ${url.href}`;
  }
  if (scheme === "tcp") return "";
  if (scheme === "http") return `use the Host header: curl -H "Host: ${name}" http://${key}/`;
  return `use SNI: curl --connect-to ${name}:${port}:${key} https://${name}:${port}/`;
}

function refusedReport(
  { id, url, reason }: RefusedEndpoint,
  { modeOf }: EndpointReportInput,
): EndpointReport {
  const mode = modeOf(hostnameOf(url));
  return { ...emptyReport(), id, url, state: "refused", reason, mode, listen_interface: mode };
}

/** A refused URL may have no host name; it then has the mode of all names. */
function hostnameOf(url: string): string {
  try {
    return parseEndpointUrl(url).hostname;
  } catch {
    return "";
  }
}

function emptyReport(): EndpointReport {
  return {
    id: "",
    url: "",
    hostname: "",
    ip: "",
    port: 0,
    listen_address: "",
    mode: VIRTUAL,
    state: "failed",
    reason: "",
    local_listener: false,
    network_port: 0,
    listen_interface: VIRTUAL,
    wildcard: false,
    wildcard_suffix: "",
    shared_listener_key: "",
    open_connections: 0,
    total_connections: 0,
    bytes_in: 0,
    bytes_out: 0,
    last_activity: null,
  };
}
