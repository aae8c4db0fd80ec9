import { certificateWarning } from "../../identity/certificate_warning.ts";
import { VERSION } from "../../lib/version.ts";
import type { EndpointReport, HealthReport, StatusReport } from "../../model/report.ts";
import { endpointHealth, endpointReports } from "./endpoints.ts";
import { daysUntil, formatDuration } from "./duration.ts";
import type { Daemon } from "../daemon.ts";
import { proxyReport } from "../../config/proxy/proxy_report.ts";
import { trustStatus } from "./trust.ts";

/** The degraded endpoints that `status` names; `list` has all. */
const MAX_DEGRADED = 10;

/** Returns the answer of `list`. */
export function listReport(daemon: Daemon): EndpointReport[] {
  const { loop, forwarder, dns } = daemon;
  return endpointReports({
    outcomes: loop.outcomes,
    refused: loop.refusals.refused,
    traffic: (id) => forwarder.traffic(id),
    asksDns: dns.report.resolver.driver !== "none",
    unresolved: dns.unresolved,
  });
}

/** Returns the answer of `status`. */
export function statusReport(daemon: Daemon): StatusReport {
  const { account, loop, forwarder, live, addresses, names, startedAt, startedMonotonicMs, health } = daemon;
  const { operatorId, certificate } = account;
  const { state, lastPoll, error, hint, notice, wait } = loop.status;
  const { hostname, port } = daemon.ingress();
  const { key, source } = live.apiKey;
  const renewal = daemon.renewals.state;
  const degraded = loop.outcomes.filter((outcome) => outcome.state === "degraded");
  return {
    schema: 1,
    version: VERSION,
    registered: operatorId !== undefined,
    ...(operatorId === undefined ? {} : { operator_id: operatorId }),
    endpoint_count: loop.outcomes.length,
    refused_count: loop.refusals.refused.length + loop.refusals.refusedMore,
    active_count: loop.outcomes.filter((outcome) => outcome.state === "active").length,
    degraded_count: degraded.length,
    degraded: degraded.slice(0, MAX_DEGRADED).map(({ endpoint, reason }) => `${endpoint.url}: ${reason}`),
    ingress_endpoint: `${hostname}:${port}`,
    api: {
      url: live.current.api.url,
      state,
      last_poll: timeOrNull(lastPoll),
      poll_age_seconds: lastPoll === undefined
        ? null
        : Math.max(0, Math.floor((Date.now() - lastPoll) / 1000)),
      error: error ?? null,
      hint: hint ?? null,
      notice: [notice, wait].filter((text) => text !== undefined).join("; ") || null,
      key: { set: key !== "", source },
    },
    certificate: certificate === undefined ? null : {
      serial: certificate.serial,
      issuer: certificate.issuer,
      not_before: new Date(certificate.notBefore).toISOString(),
      not_after: new Date(certificate.notAfter).toISOString(),
      days_left: daysUntil(certificate.notAfter),
      next_renewal: timeOrNull(renewal.nextAt),
      last_renewal: timeOrNull(renewal.lastAt),
      error: renewal.lastError ?? null,
      warning: certificateWarning(certificate, {
        nowMs: Date.now(),
        hasFailed: renewal.lastError !== undefined,
      }) ?? null,
    },
    ingress: forwarder.ingressHealth(),
    proxy: proxyReport(live),
    trust: trustStatus(daemon),
    config: { ...live.report, warnings: [...live.report.warnings, ...account.warnings] },
    names: names.report,
    addresses: daemon.subnetWatch.report,
    dns: daemon.dns.report,
    health: health.report,
    state_error: loop.roundError ?? null,
    problems: [
      ...account.problems,
      ...daemon.listenerProbe.problems,
      ...daemon.stateProblems,
      ...daemon.memoryProblems(),
      ...(addresses.memoryProblem === undefined ? [] : [addresses.memoryProblem]),
    ],
    start_time: new Date(startedAt).toISOString(),
    uptime_seconds: Math.floor((performance.now() - startedMonotonicMs) / 1000),
  };
}

/**
 * Returns the answer of `health` and of `/status`, with liveness, readiness and the presence of
 * endpoints apart.
 */
export function healthReport(daemon: Daemon): HealthReport {
  const status = statusReport(daemon);
  const reports = listReport(daemon);
  const { notice } = daemon.loop.status;
  const reasons = [
    ...(status.api.error === null ? [] : [`API: ${status.api.error}`]),
    ...(notice === undefined ? [] : [`API: ${notice}`]),
    ...(status.certificate?.error ? [`Certificate: ${status.certificate.error}`] : []),
    ...(status.certificate?.warning ? [`Certificate: ${status.certificate.warning}`] : []),
    ...(status.ingress.state === "failing" ? [`Ingress: ${status.ingress.error}`] : []),
    ...[...status.trust.problems, ...status.trust.warnings].map((text) => `Trust: ${text}`),
    ...(status.config.state === "rejected" ? [`Configuration: ${status.config.problems.join("; ")}`] : []),
    ...(status.names.state === "failing" ? [`Names: ${status.names.reason}`] : []),
    ...(daemon.subnetWatch.overlap === undefined ? [] : [`Addresses: ${daemon.subnetWatch.overlap}`]),
    ...status.dns.addresses.flatMap(({ error }) => error === null ? [] : [`DNS: ${error}`]),
    ...(status.state_error === null ? [] : [`State: ${status.state_error}`]),
    ...daemon.listenerProbe.problems,
    ...reports.filter(({ state }) => state === "failed" || state === "degraded").map((report) =>
      `${report.url}: ${report.reason}`
    ),
  ];
  const { state, last_poll, poll_age_seconds, error } = status.api;
  if (state === "no_key") reasons.push("No API key is set: run ngrokctl set-api-key -");
  return {
    healthy: true,
    ready: daemon.loop.hasPolled,
    has_endpoints: status.active_count > 0,
    api: { state, last_poll, poll_age_seconds, error },
    certificate: status.certificate,
    reasons,
    uptime: formatDuration(performance.now() - daemon.startedMonotonicMs),
    start_time: status.start_time,
    endpoints: endpointHealth(reports, (id) => daemon.forwarder.traffic(id)),
  };
}

function timeOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
