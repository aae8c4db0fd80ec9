import { GET_KEY } from "../lib/key_page.ts";
import { escapeControls } from "../lib/printable.ts";
import { isStale, lookProblems, recentRefusal, unresolvedTexts, unusedReason } from "../model/findings.ts";
import type { ApiState, CertificateReport, IngressStep, StatusReport } from "../model/report.ts";
import { box } from "./box.ts";
import { timeLeft, TRUST_MODES } from "./render_trust.ts";

const API_STATES: Readonly<Record<ApiState, string>> = {
  never: "not polled yet",
  no_key: "waiting for API key",
  ok: "ok",
  key_refused: "API key refused",
  rate_limited: "rate limited",
  unreachable: "unreachable",
  failing: "failing",
};

const INGRESS_STEPS: Readonly<Record<IngressStep, string>> = {
  resolve: "resolving its name",
  connect: "connecting",
  proxy: "connecting through the proxy",
  tls: "the TLS handshake",
  trust: "the check of its certificate",
  certificate: "the check of the client certificate",
  upgrade: "the upgrade",
};
const LIST_HINT = "See the reasons: ngrokctl list";

/**
 * Renders the text of `ngrokctl status`: the verdict, the lines of docs/compatibility.md 4.11, then
 * details and problems.
 */
export function renderStatus(report: StatusReport): string {
  return `${escapeControls(report.summary)}\n` +
    box("ngrokd Daemon Status", 15) +
    block([
      ...registration(report),
      field("Endpoints", String(report.endpoint_count)),
      field("Ingress", report.ingress_endpoint),
    ]) +
    (report.endpoint_count === 0 ? block(["  No endpoints discovered yet.", "  See: ngrokctl list"]) : "") +
    block(details(report)) +
    block(problems(report));
}

function registration({ registered, operator_id = "", api }: StatusReport): string[] {
  if (registered) return ["  ✓ Registered:        Yes", field("Operator ID", operator_id)];
  const state = api.state === "no_key" ? "never" : api.state;
  return [`  ⚠ Registered:        No (${API_STATES[api.key.set ? state : "no_key"]})`];
}

function details(report: StatusReport): string[] {
  const { api, certificate, names, addresses, dns, ingress, proxy, trust, health, config } = report;
  const age = api.poll_age_seconds === null ? "" : `, ${duration(api.poll_age_seconds)} ago`;
  const polled = api.last_poll === null ? "" : `, last poll ${api.last_poll}${age}`;
  return [
    field("Active", `${report.active_count} of ${report.endpoint_count}`),
    field("API", `${API_STATES[api.state]} (${api.url}${polled})`),
    field("API key", api.key.set ? `set (${api.key.source ?? "unknown source"})` : "not set"),
    ...certificateFields(certificate),
    field("Ingress state", ingressText(ingress)),
    ...proxyFields(proxy),
    field("Trust", ["built-in roots", ...trust.sources].join(", ")),
    field("Trust mode", trustText(trust)),
    field("Names", `${names.driver} (${names.state})`),
    field("Addresses", `${[addresses.driver, addresses.kind ?? []].flat().join(", ")} (${addresses.subnet})`),
    field("DNS", dnsText(dns)),
    ...(dns.state === "off" ? [] : [field("Resolver", resolverText(dns.resolver))]),
    field("Health", health.address),
    field("Config", `${config.path} (${config.state})`),
    ...report.notes.map((text) => field("Note", text)),
    field("Version", `${report.version}, up ${duration(report.uptime_seconds)}`),
  ];
}

function problems(report: StatusReport): string[] {
  const { api, certificate, ingress, trust, names, addresses, dns, health, config } = report;
  const { stopping, list, failed_count, refused_count } = report;
  const { distrust, unread } = lookProblems(report);
  const refusal = recentRefusal(report);
  return [
    ...report.warnings.flatMap((text) => problem("Endpoints", text, "See the names: ngrokctl list")),
    ...problem("Shutdown", stopping ? "waiting for running connections, no new ones are accepted" : null),
    ...problem("List", list === "none" ? "no list of endpoints has been served yet" : null),
    ...problem("Endpoints", failed_count > 0 ? `${failed_count} not served` : null, LIST_HINT),
    ...problem("Endpoints", refused_count > 0 ? `${refused_count} refused` : null, LIST_HINT),
    ...endpointProblems(report.failing, report.failing_count, "failing"),
    ...endpointProblems(report.degraded, report.degraded_count, "degraded"),
    ...problem("API", api.state === "no_key" ? "no API key is set" : null, GET_KEY),
    ...problem("API", api.state === "never" ? "no poll has ended yet" : null),
    ...problem("API", api.error, api.hint),
    ...problem("API", api.notice),
    ...problem("API", staleText(api)),
    ...problem("Certificate", certificate === null && report.registered ? "there is none" : null),
    ...problem("Certificate", certificate?.error ?? null, retryText(certificate)),
    ...problem("Certificate", certificate?.warning ?? null),
    ...problem("Ingress", ingress.error, ingress.hint),
    ...(refusal === null
      ? []
      : problem("Connections", `${refusal.error}, ${duration(refusal.age_seconds)} ago`, refusal.hint)),
    ...[...trust.problems, ...trust.warnings, ...distrust, ...unread].flatMap((text) =>
      problem("Trust", text)
    ),
    ...problem("Names", names.reason),
    ...problem("Addresses", addresses.reason, addresses.hint),
    ...dns.addresses.flatMap(({ error }) => problem("DNS", error)),
    ...problem("DNS of other names", dns.forwarding.error, dns.forwarding.hint),
    ...unresolvedTexts(dns).flatMap((text) => problem("DNS", text)),
    ...problem("Resolver", unusedReason(report), dns.resolver.hint),
    ...problem("Health", health.error),
    ...problem("State", report.state_error),
    ...report.problems.flatMap((text) => problem("State", text)),
    ...config.problems.flatMap((text) => problem("Config", text)),
    ...config.warnings.flatMap((text) => problem("Config warning", text)),
  ];
}

function endpointProblems(shown: readonly string[], count: number, state: string): string[] {
  const more = count - shown.length;
  return [
    ...shown.flatMap((text) => problem("Endpoint", text)),
    ...problem("Endpoints", more > 0 ? `${more} more ${state}` : null, LIST_HINT),
  ];
}

function staleText(api: StatusReport["api"]): string | null {
  return isStale(api) ? `the last good poll was ${duration(api.poll_age_seconds ?? 0)} ago` : null;
}

/** Renders the state of the ingress, the step that failed, and the time of the last check. */
function ingressText({ state, step, checked_at }: StatusReport["ingress"]): string {
  if (state === "unknown") return "not used yet";
  const where = step === null ? "" : ` at ${INGRESS_STEPS[step]}`;
  return `${state}${where}${checked_at === null ? "" : ` (checked ${checked_at})`}`;
}

function certificateFields(certificate: CertificateReport | null): string[] {
  if (certificate === null) return [field("Certificate", "none")];
  const { days_left, not_before, not_after, next_renewal, last_renewal, issuer, serial } = certificate;
  const renewal = next_renewal === null ? "" : `, renewal ${next_renewal}`;
  const renewed = last_renewal === null ? "" : `, renewed ${last_renewal}`;
  return [
    field("Certificate", `${timeLeft(days_left, not_after)} (until ${not_after}${renewal})`),
    field("Issued", `${not_before} by ${issuer}, serial ${serial}${renewed}`),
  ];
}

/**
 * Renders the next attempt. After a failed forced renewal there is none before the certificate is
 * due.
 */
function retryText(certificate: CertificateReport | null): string {
  const at = certificate?.next_renewal ?? null;
  const retry = at === null ? "ngrokd retries automatically" : `ngrokd retries at ${at}`;
  return `${retry}; to retry now: ngrokctl refresh-cert --force`;
}

function trustText({ mode, ca, issuer }: StatusReport["trust"]): string {
  const left = ca === null ? "" : `, CA ${timeLeft(ca.days_left, ca.valid_until)}`;
  return `${TRUST_MODES[mode]}${left}${issuer === null ? "" : ` (certificate of ${issuer})`}`;
}

function proxyFields({ api, ingress, notes }: StatusReport["proxy"]): string[] {
  const proxies = [["API proxy", api], ["Ingress proxy", ingress]] as const;
  return [
    ...proxies.flatMap(([label, use]) => use === null ? [] : [field(label, `${use.url} (${use.source})`)]),
    ...notes.map((note) => field("Proxy note", note)),
  ];
}

function dnsText({ state, names, addresses }: StatusReport["dns"]): string {
  if (state === "off") return "off (no endpoint needs it)";
  const bound = addresses.filter(({ error }) => error === null).map(({ address }) => address);
  const where = bound.length === 0 ? "" : ` on ${bound.join(", ")}`;
  return `${state}, ${names} ${names === 1 ? "name" : "names"}${where}`;
}

function resolverText({ driver, target, reason }: StatusReport["dns"]["resolver"]): string {
  if (driver === "none") return "none: this machine does not query ngrokd";
  return `${target}${reason === null ? "" : ` (${reason})`}`;
}

function problem(subject: string, text: string | null, hint: string | null = null): string[] {
  if (text === null || text === "") return [];
  const lines = [`  ⚠ ${subject}: ${escapeControls(text)}`];
  return hint === null || hint === "" ? lines : [...lines, `    ${escapeControls(hint)}`];
}

function field(label: string, value: string): string {
  return `  ${`${label}:`.padEnd(21)}${escapeControls(value)}`;
}

function block(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${lines.join("\n")}\n\n`;
}

/** Returns the two largest units: `3d 4h`, `5m 6s`, `7s`. */
function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const units: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3_600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ];
  const first = units.findIndex(([count]) => count > 0);
  const shown = units.slice(first === -1 ? 3 : first).slice(0, 2);
  return shown.map(([count, unit]) => `${count}${unit}`).join(" ");
}
