import { certificateWarning } from "../../identity/certificate_warning.ts";
import { VERSION } from "../../lib/version.ts";
import { interfaceOf } from "../../sync/allocate.ts";
import type { EndpointOutcome } from "../../sync/round.ts";
import type {
  EndpointReport,
  EndpointState,
  HealthReport,
  JudgedReport,
  StatusReport,
} from "../../model/report.ts";
import { judge } from "../../model/verdict.ts";
import { endpointHealth, endpointReports } from "./endpoints.ts";
import { daysUntil, formatDuration } from "./duration.ts";
import type { Daemon } from "../daemon.ts";
import { proxyReport } from "../../config/proxy/proxy_report.ts";
import { trustStatus } from "./trust.ts";

/** The endpoints of one state that `status` names; `list` has all. */
const MAX_NAMED = 10;

/** Returns the answer of `list`. */
export function listReport(daemon: Daemon, options: { showUsage?: boolean } = {}): EndpointReport[] {
  const { loop, forwarder, dns, addresses, live } = daemon;
  const { net } = live.current;
  return endpointReports({
    modeOf: (hostname) => interfaceOf(hostname, net),
    sharedAddress: () => net.advertiseIp || addresses.shared(),
    outcomes: loop.outcomes,
    refused: loop.refusals.refused,
    traffic: (id) => forwarder.traffic(id),
    failureOf: (service) => forwarder.failureOf(service),
    asksDns: dns.report.resolver.driver !== "none",
    unresolved: dns.unresolved,
    ...options,
  });
}

/** Returns the answer of `status`, with the verdict on it. */
export function statusReport(daemon: Daemon): StatusReport {
  return withVerdict(judgedReport(daemon, listReport(daemon, { showUsage: false })));
}

function withVerdict(report: JudgedReport): StatusReport {
  return { ...judge(report), ...report };
}

function judgedReport(daemon: Daemon, reports: readonly EndpointReport[]): JudgedReport {
  const { account, loop, forwarder, live, addresses, names, startedAt, startedMonotonicMs, health } = daemon;
  const { operatorId, certificate } = account;
  const { state, lastPoll, error, hint, notice, wait } = loop.status;
  const { hostname, port } = daemon.ingress();
  const { key, source } = live.apiKey;
  const renewal = daemon.renewals.state;
  const check = forwarder.ingressCheck();
  const refusal = forwarder.slotRefusal();
  const inState = (state: EndpointState) => reports.filter((report) => report.state === state);
  const named = (state: EndpointState) =>
    inState(state).slice(0, MAX_NAMED).map(({ url, reason }) => `${url}: ${reason}`);
  return {
    schema: 1,
    version: VERSION,
    registered: operatorId !== undefined,
    ...(operatorId === undefined ? {} : { operator_id: operatorId }),
    stopping: daemon.stopping(),
    list: loop.list,
    endpoint_count: loop.outcomes.length,
    refused_count: loop.refusals.refused.length + loop.refusals.refusedMore,
    warnings: sharedWarnings(loop.outcomes),
    refused: named("refused"),
    active_count: inState("active").length,
    degraded_count: inState("degraded").length,
    degraded: named("degraded"),
    failing_count: inState("failing").length,
    failing: named("failing"),
    failed_count: inState("failed").length,
    failed: named("failed"),
    ingress_endpoint: `${hostname}:${port}`,
    api: {
      url: live.current.api.url,
      state,
      last_poll: timeOrNull(lastPoll),
      poll_age_seconds: lastPoll === undefined
        ? null
        : Math.max(0, Math.floor((Date.now() - lastPoll) / 1000)),
      poll_interval_seconds: live.current.boundEndpoints.pollIntervalMs / 1000,
      error: error ?? null,
      hint: hint ?? null,
      warning: [notice, ...account.warnings].filter((text) => text !== undefined).join("; ") || null,
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
    ingress: {
      ...forwarder.ingressHealth(),
      step: check.step,
      checked_at: timeOrNull(check.at),
      answered_at: timeOrNull(check.answeredAt),
    },
    slot_refusal: refusal === undefined ? null : {
      age_seconds: Math.floor((performance.now() - refusal.at) / 1000),
      error: refusal.error,
      hint: refusal.hint,
    },
    proxy: proxyReport(live),
    trust: trustStatus(daemon),
    config: { ...live.report, warnings: [...live.report.warnings, ...account.warnings] },
    names: names.report,
    addresses: daemon.subnetWatch.report,
    dns: daemon.dns.report,
    resolver_wanted: live.current.dns.manageResolvConf !== false,
    health: health.report,
    state_error: loop.roundError ?? null,
    problems: [
      ...account.problems,
      ...daemon.listenerProbe.problems,
      ...daemon.stateProblems,
      ...daemon.memoryProblems(),
      ...(daemon.ingressChoice.problem === undefined ? [] : [daemon.ingressChoice.problem]),
      ...(addresses.memoryProblem === undefined ? [] : [addresses.memoryProblem]),
    ],
    notes: [...daemon.stateNotes],
    start_time: new Date(startedAt).toISOString(),
    uptime_seconds: Math.floor((performance.now() - startedMonotonicMs) / 1000),
  };
}

/**
 * Returns the answer of `health` and of `/status`, with liveness, readiness and the presence of
 * endpoints apart.
 */
export function healthReport(daemon: Daemon): HealthReport {
  const reports = listReport(daemon, { showUsage: false });
  const status = withVerdict(judgedReport(daemon, reports));
  const { verdict, summary, reasons, list, stopping } = status;
  const { state, last_poll, poll_age_seconds, error } = status.api;
  return {
    verdict,
    summary,
    healthy: true,
    ready: list !== "none" && !stopping,
    list,
    has_endpoints: status.active_count + status.failing_count > 0,
    api: { state, last_poll, poll_age_seconds, error },
    certificate: status.certificate,
    reasons,
    uptime: formatDuration(performance.now() - daemon.startedMonotonicMs),
    start_time: status.start_time,
    endpoints: endpointHealth(reports, (id) => daemon.forwarder.traffic(id)),
  };
}

/** Warns of endpoints that share an address with another of their domain. */
function sharedWarnings(outcomes: readonly EndpointOutcome[]): string[] {
  const count = outcomes.filter(({ isShared = false }) => isShared).length;
  if (count === 0) return [];
  const text = "share their addresses with others for which one certificate could be";
  return [`${count} https and tls endpoints ${text}: a browser can send requests to the wrong one`];
}

function timeOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
