import type { ApiState, IngressStep, JudgedReport, SlotRefusal } from "./report.ts";

/** A connection that was refused at a limit is a finding for this time. */
const REFUSAL_SECONDS = 300;
/** The list of endpoints is stale after this time without a good poll. */
const STALE_SECONDS = 600;

const API_BRIEFS: Readonly<Record<ApiState, string>> = {
  never: "the API has not answered yet",
  no_key: "no API key is set",
  ok: "",
  key_refused: "the API refuses the key",
  rate_limited: "the API limits requests",
  unreachable: "the API is unreachable",
  failing: "the API answers with errors",
};

const INGRESS_BRIEFS: Readonly<Record<IngressStep, string>> = {
  resolve: "the ingress's name does not resolve",
  connect: "the ingress is unreachable",
  proxy: "the proxy does not reach the ingress",
  tls: "the TLS handshake with the ingress fails",
  trust: "the ingress is not trusted",
  certificate: "the ingress may refuse the certificate",
  upgrade: "the ingress does not answer",
};

/**
 * Returns everything that a report shows wrong, the causes before their effects. What the user has
 * chosen, a warning about the text of the configuration, and what will pass by itself in seconds is
 * no finding.
 */
export function findingsOf(report: JudgedReport): Finding[] {
  return [
    ...stoppingFindings(report),
    ...apiFindings(report),
    ...certificateFindings(report),
    ...ingressFindings(report),
    ...slotFindings(report),
    ...endpointFindings(report),
    ...machineFindings(report),
    ...trustFindings(report),
    ...ownFindings(report),
  ].filter(({ reasons }) => reasons.length > 0);
}

/** One thing that is wrong. */
export interface Finding {
  /** A few words for the summary line. */
  readonly brief: string;
  /** Whole sentences, which begin with the subject. */
  readonly reasons: readonly string[];
}

/** Returns true if polls do not fail, and yet none has succeeded for a long time. */
export function isStale(
  { state, poll_age_seconds: age, poll_interval_seconds: interval }: JudgedReport["api"],
) {
  return state === "ok" && age !== null && age > Math.max(STALE_SECONDS, 3 * interval);
}

/** Returns true if the client certificate has expired by this machine's clock. */
export function hasExpired({ certificate }: JudgedReport): boolean {
  return certificate !== null && certificate.days_left < 0;
}

/**
 * Returns the reason why this machine does not query ngrokd although it should; null if it does.
 */
export function unusedReason({ dns: { resolver }, resolver_wanted }: JudgedReport): string | null {
  // A resolver that works has the reason why it is not a better one, which is no problem.
  return resolver_wanted && resolver.driver === "none" ? resolver.reason : null;
}

function stoppingFindings({ stopping }: JudgedReport): Finding[] {
  if (!stopping) return [];
  return [{ brief: "ngrokd is shutting down", reasons: ["ngrokd is shutting down and drains connections"] }];
}

function apiFindings({ api, list }: JudgedReport): Finding[] {
  const { state, error, warning, poll_age_seconds: age } = api;
  return [
    { brief: API_BRIEFS[state], reasons: apiReasons(state, error) },
    {
      brief: "the list of endpoints may be incomplete",
      reasons: warning === null ? [] : [`API: ${warning}`],
    },
    {
      brief: `the list of endpoints is ${Math.floor((age ?? 0) / 60)} minutes old`,
      reasons: isStale(api) ? [`API: the last good poll was ${age} s ago`] : [],
    },
    {
      brief: "no list of endpoints yet",
      reasons: list === "none" ? ["No list of endpoints has been served yet"] : [],
    },
  ];
}

function apiReasons(state: ApiState, error: string | null): string[] {
  if (state === "ok") return [];
  if (state === "no_key") return ["No API key is set: run ngrokctl set-api-key"];
  return [`API: ${error ?? (state === "never" ? "no poll has ended yet" : state)}`];
}

function certificateFindings(report: JudgedReport): Finding[] {
  const { certificate, registered, endpoint_count } = report;
  if (certificate === null) {
    const isMissing = registered || endpoint_count > 0;
    const reasons = isMissing ? ["Certificate: there is none, so the ingress accepts no connection"] : [];
    return [{ brief: "there is no certificate", reasons }];
  }
  const { error, warning } = certificate;
  return [{
    brief: hasExpired(report) ? "the certificate has expired" : "the certificate is not renewed",
    reasons: [error, warning].flatMap((text) => text ? [`Certificate: ${text}`] : []),
  }];
}

function ingressFindings({ ingress: { state, step, error } }: JudgedReport): Finding[] {
  if (state !== "failing") return [];
  return [{
    brief: INGRESS_BRIEFS[step ?? "connect"],
    reasons: [`Ingress: ${error ?? "it cannot be reached"}`],
  }];
}

/** Returns the last connection that was refused at a limit, unless that is long ago; or null. */
export function recentRefusal({ slot_refusal: refusal }: JudgedReport): SlotRefusal | null {
  return refusal !== null && refusal.age_seconds < REFUSAL_SECONDS ? refusal : null;
}

function slotFindings(report: JudgedReport): Finding[] {
  const refusal = recentRefusal(report);
  return [{
    brief: "a limit of connections is reached",
    reasons: refusal === null ? [] : [`Connections: ${refusal.error}, ${refusal.age_seconds} s ago`],
  }];
}

function endpointFindings(report: JudgedReport): Finding[] {
  const { failed, failing, degraded, refused } = report;
  return [
    endpoints(report.failed_count, { shown: failed, what: "without a listener" }),
    endpoints(report.failing_count, { shown: failing, what: "failing" }),
    endpoints(report.degraded_count, { shown: degraded, what: "without a name" }),
    endpoints(report.refused_count, { shown: refused, what: "refused" }),
  ];
}

function endpoints(count: number, options: { shown: readonly string[]; what: string }): Finding {
  const { shown, what } = options;
  const more = count - shown.length;
  return {
    brief: `${count} ${count === 1 ? "endpoint" : "endpoints"} ${what}`,
    reasons: [...shown, ...(more > 0 ? [`${more} more endpoints ${what}: run ngrokctl list`] : [])],
  };
}

function machineFindings(report: JudgedReport): Finding[] {
  const { addresses, names, dns } = report;
  const unbound = dns.addresses.flatMap(({ error }) => error === null ? [] : [`DNS: ${error}`]);
  const unused = dns.state === "off" ? null : unusedReason(report);
  return [
    {
      brief: addresses.hint === null
        ? "virtual addresses are not as configured"
        : "virtual addresses overlap with another network",
      reasons: addresses.reason === null ? [] : [`Addresses: ${addresses.reason}`],
    },
    {
      brief: "names are not published",
      reasons: names.state === "ok" ? [] : [`Names: ${names.reason ?? names.state}`],
    },
    { brief: dns.state === "failing" ? "DNS does not answer" : "DNS lacks an address", reasons: unbound },
    {
      brief: "other names than those of endpoints do not resolve",
      reasons: dns.forwarding.error === null ? [] : [`DNS of other names: ${dns.forwarding.error}`],
    },
    { brief: "this machine does not query ngrokd", reasons: unused === null ? [] : [`Resolver: ${unused}`] },
    {
      brief: `${dns.unresolved_count} ${
        dns.unresolved_count === 1 ? "wildcard does" : "wildcards do"
      } not resolve`,
      reasons: unresolvedTexts(dns).map((text) => `DNS: ${text}`),
    },
  ];
}

/** Returns one sentence for each wildcard that does not resolve on this machine. */
export function unresolvedTexts({ unresolved, unresolved_count: count }: JudgedReport["dns"]): string[] {
  const more = count - unresolved.length;
  return [...unresolved, ...(more > 0 ? [`${more} more wildcards do not resolve on this machine`] : [])];
}

/**
 * Returns the problems of the last probe of the ingress's certificates, unless a connection has
 * succeeded since or the ingress is another one now.
 */
export function lookProblems({ trust, ingress, ingress_endpoint }: JudgedReport): LookProblems {
  const { presented, look_error } = trust;
  if (ingress.state === "ok") return { distrust: [], unread: [] };
  const problems = presented?.target === ingress_endpoint ? presented.problems : [];
  return {
    distrust: problems.map((text) => `the certificate of ${ingress_endpoint} ${text}`),
    unread: look_error === null ? [] : [look_error],
  };
}

/** The problems of the last probe of the ingress's certificates. */
export interface LookProblems {
  /** The reasons why the ingress is not trusted. */
  readonly distrust: readonly string[];
  /** The error of the probe. */
  readonly unread: readonly string[];
}

function trustFindings(report: JudgedReport): Finding[] {
  const { problems, warnings } = report.trust;
  const { distrust, unread } = lookProblems(report);
  return [
    { brief: "a CA cannot be used", reasons: problems.map((text) => `Trust: ${text}`) },
    { brief: "a certificate of the ingress expires soon", reasons: warnings.map((text) => `Trust: ${text}`) },
    { brief: "the ingress is not trusted", reasons: distrust.map((text) => `Trust: ${text}`) },
    { brief: "the ingress's certificates cannot be read", reasons: unread.map((text) => `Trust: ${text}`) },
  ];
}

function ownFindings({ config, health, state_error, problems }: JudgedReport): Finding[] {
  return [
    {
      brief: "the configuration is rejected",
      reasons: config.state === "ok" ? [] : [`Configuration: ${config.problems.join("; ") || "rejected"}`],
    },
    { brief: "the health server is off", reasons: health.error === null ? [] : [`Health: ${health.error}`] },
    { brief: "the last round failed", reasons: state_error === null ? [] : [`State: ${state_error}`] },
    {
      brief: `${problems.length} ${problems.length === 1 ? "problem" : "problems"} on this machine`,
      reasons: problems,
    },
  ];
}
