import type { RefusedEndpoint } from "../../model/endpoint.ts";
import type { EndpointHealth, EndpointReport } from "../../model/report.ts";
import { listenerKey, type Route } from "../../model/route_table.ts";
import type { Traffic } from "../../model/traffic.ts";
import { VIRTUAL } from "../../model/listen_mode.ts";
import type { EndpointOutcome } from "../../sync/round.ts";

/** What the reports are made from. */
export interface EndpointReportInput {
  readonly outcomes: readonly EndpointOutcome[];
  readonly refused: readonly RefusedEndpoint[];
  readonly traffic: (endpointId: string) => Traffic;
  /** Whether this machine asks our DNS server, so that names below a wildcard are found. */
  readonly asksDns: boolean;
  /** Names that should resolve through our DNS server and do not: name → reason. @default {none} */
  readonly unresolved?: ReadonlyMap<string, string>;
}

const NEVER = "0001-01-01T00:00:00Z";

/** Every endpoint that the cloud listed, served or not, sorted by host name, port and id. */
export function endpointReports(input: EndpointReportInput): EndpointReport[] {
  const { outcomes, refused, traffic, asksDns, unresolved } = input;
  const rows = [
    ...outcomes.map((outcome) =>
      outcomeReport(outcome, {
        traffic: traffic(outcome.endpoint.id),
        asksDns,
        unresolved: unresolved?.get(outcome.endpoint.hostname),
      })
    ),
    ...refused.map(refusedReport),
  ];
  return rows.sort((a, b) => compare(a.hostname, b.hostname) || a.port - b.port || compare(a.id, b.id));
}

/** The endpoints of the health report, by id (COMPAT.md 4.4). */
export function endpointHealth(
  reports: readonly EndpointReport[],
  traffic: (endpointId: string) => Traffic,
): Record<string, EndpointHealth> {
  return Object.fromEntries(
    reports.filter((report) => report.state !== "refused").map((report) => [report.id, {
      name: report.id,
      local_address: report.listen_address,
      target_uri: report.url,
      active: report.state === "active",
      connections: report.open_connections,
      total_connections: report.total_connections,
      last_activity: report.last_activity ?? NEVER,
      errors: traffic(report.id).errors,
    }]),
  );
}

function outcomeReport(
  outcome: EndpointOutcome,
  about: {
    readonly traffic: Traffic;
    readonly asksDns: boolean;
    readonly unresolved: string | undefined;
  },
): EndpointReport {
  const { traffic, unresolved } = about;
  const { endpoint, route, reason, state } = outcome;
  const { id, url, hostname, port, wildcard } = endpoint;
  return {
    ...emptyReport(),
    id,
    url,
    hostname,
    port,
    wildcard,
    wildcard_suffix: wildcard ? hostname.slice(2) : "",
    state,
    reason: [
      reason,
      unresolved === undefined ? "" : `does not resolve on this machine: ${unresolved}`,
      reachedBy(route, about.asksDns && unresolved === undefined),
    ].filter((text) => text !== "").join("; "),
    ...(route === undefined ? {} : placeOf(route)),
    open_connections: traffic.open,
    total_connections: traffic.total,
    bytes_in: traffic.bytesIn,
    bytes_out: traffic.bytesOut,
    last_activity: traffic.lastActivity === undefined ? null : new Date(traffic.lastActivity).toISOString(),
  };
}

function placeOf(route: Route): Partial<EndpointReport> {
  const { address, localPort, mode, scheme } = route;
  const virtual = mode === VIRTUAL;
  const key = listenerKey(address, localPort);
  return {
    ip: address,
    listen_address: key,
    mode,
    listen_interface: virtual ? VIRTUAL : address,
    local_listener: true,
    network_port: virtual ? 0 : localPort,
    shared_listener_key: virtual || scheme === "tcp" ? "" : `shared:${key}`,
  };
}

/** A wildcard is no name that anybody could ask for: how to reach it, by a name if this machine finds one. */
function reachedBy(route: Route | undefined, asksDns: boolean): string {
  if (route === undefined || !route.wildcard) return "";
  const { scheme, address, localPort, hostname } = route;
  const example = `name${hostname.slice(1)}`;
  if (asksDns) {
    if (scheme === "tcp") return `by any name below it: nc ${example} ${localPort}`;
    const url = new URL(`${scheme === "http" ? "http" : "https"}://${example}:${localPort}/`);
    return `by any name below it: curl ${url.href}`;
  }
  if (scheme === "http") {
    return `by Host: curl -H "Host: ${example}" http://${listenerKey(address, localPort)}/`;
  }
  if (scheme === "tcp") return "";
  return `by SNI: curl --connect-to ${example}:${route.port}:${
    listenerKey(address, localPort)
  } https://${example}:${route.port}/`;
}

function refusedReport(endpoint: RefusedEndpoint): EndpointReport {
  return { ...emptyReport(), id: endpoint.id, url: endpoint.url, state: "refused", reason: endpoint.reason };
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

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
