/**
 * The state of an endpoint on this machine. `degraded`: it is served, but its name does not
 * resolve. `failing`: it is served, but its last three upgrades failed. `failed`: it has no
 * listener.
 */
export type EndpointState = "active" | "degraded" | "failing" | "failed" | "refused";

/** The state of the daemon. `down`: nothing is served. `degraded`: something else is wrong. */
export type VerdictState = "ok" | "degraded" | "down";

/** The verdict on a report, as `status` and `health` begin with it. */
export interface Verdict {
  verdict: VerdictState;
  /** One line: `ok`, or the verdict and what is wrong, in few words. */
  summary: string;
  /** One sentence or more for each thing that is wrong; empty if the verdict is `ok`. */
  reasons: string[];
}

/**
 * The source of the list of endpoints that is served: `kept` from the last run, or `fresh` from the
 * API. `none`: no list has been served yet.
 */
export type ListSource = "none" | "kept" | "fresh";

/**
 * The step of a connection to the ingress. `tls`: the handshake. `trust`: we accept its
 * certificate. `certificate`: the ingress accepts ours.
 */
export type IngressStep = "resolve" | "connect" | "proxy" | "tls" | "trust" | "certificate" | "upgrade";

/** One row of `list`, with the JSON keys of the control socket (docs/compatibility.md 4.3). */
export interface EndpointReport {
  id: string;
  url: string;
  hostname: string;
  /** The local address; `""` if it has none. */
  ip: string;
  /** The port of the URL. */
  port: number;
  /** `address:port` to connect to; `""` if there is none. */
  listen_address: string;
  /** `virtual`, or the interface or address on which it is shared. */
  mode: string;
  state: EndpointState;
  /** The reason why it is not active, or what is unusual about it; `""` if nothing is. */
  reason: string;
  local_listener: boolean;
  /** The local port in network mode; 0 in virtual mode. */
  network_port: number;
  listen_interface: string;
  wildcard: boolean;
  wildcard_suffix: string;
  shared_listener_key: string;
  open_connections: number;
  total_connections: number;
  bytes_in: number;
  bytes_out: number;
  /** RFC 3339; null if there was none. */
  last_activity: string | null;
}

/** The state of the API. `never`: no poll has ended yet. `no_key`: ngrokd waits for an API key. */
export type ApiState = "never" | "no_key" | "ok" | "key_refused" | "rate_limited" | "unreachable" | "failing";

/** The certificate, as `status` shows it. Times are in RFC 3339. */
export interface CertificateReport {
  serial: string;
  issuer: string;
  not_before: string;
  not_after: string;
  days_left: number;
  /** The time of the renewal, or of its retry after a failure. */
  next_renewal: string | null;
  /** The time when it replaced another; null if it is the first, or if that is not known. */
  last_renewal: string | null;
  /** The error of the last renewal, or null. */
  error: string | null;
  /** Says that it is overdue or has expired, and since when; null if neither. */
  warning: string | null;
}

/** Everything that `status` reports, before the verdict on it. */
export interface JudgedReport {
  schema: 1;
  version: string;
  registered: boolean;
  operator_id?: string;
  /** True while ngrokd waits for the last connections before it ends. */
  stopping: boolean;
  list: ListSource;
  endpoint_count: number;
  active_count: number;
  /** The endpoints that are not served because they are refused; `list` shows the first of them. */
  refused_count: number;
  /** The first ten of them with the reasons, as in each of the lists below. */
  refused: string[];
  /** The endpoints whose names do not resolve. */
  degraded_count: number;
  degraded: string[];
  /** The dangers for endpoints that are served. */
  warnings: string[];
  /** The endpoints whose last three upgrades failed. */
  failing_count: number;
  failing: string[];
  /** The endpoints without a listener. */
  failed_count: number;
  failed: string[];
  ingress_endpoint: string;
  api: {
    url: string;
    state: ApiState;
    /** RFC 3339, or null. */
    last_poll: string | null;
    /** Seconds since then, or null. */
    poll_age_seconds: number | null;
    poll_interval_seconds: number;
    error: string | null;
    hint: string | null;
    /** An unusual result of the last poll, or the reason why the next one waits; or null. */
    notice: string | null;
    /** The reasons why the list may not be what the user expects, or null. */
    warning: string | null;
    key: { set: boolean; source: "config" | "environment" | "file" | null };
  };
  certificate: CertificateReport | null;
  /** The last failure of a connection to the ingress, unless a later connection succeeded. */
  ingress: IngressReport;
  /** Null if there was none. */
  slot_refusal: SlotRefusal | null;
  proxy: ProxyReport;
  trust: TrustStatus;
  config: { path: string; state: "ok" | "rejected"; problems: string[]; warnings: string[] };
  names: { driver: string; state: "ok" | "failing" | "off"; reason: string | null };
  /** `kind` is that of the interface that has them (`dummy`, `veth`, `lo`); null if none has. */
  addresses: {
    driver: string;
    kind: string | null;
    subnet: string;
    reason: string | null;
    hint: string | null;
  };
  /** The DNS server and the resolver. */
  dns: DnsReport;
  /** False if `dns.manage_resolv_conf: false` keeps this machine from using the DNS server. */
  resolver_wanted: boolean;
  health: { address: string; error: string | null };
  /** The error of the last round, for example because the state could not be saved, or null. */
  state_error: string | null;
  /** The problems on this machine. */
  problems: string[];
  /** Damage to the state files that the start has repaired. */
  notes: string[];
  /** RFC 3339. */
  start_time: string;
  uptime_seconds: number;
}

/** The response of `status`, a superset of docs/compatibility.md 4.3. */
export interface StatusReport extends JudgedReport, Verdict {}

/** The state of the way to the ingress, by connections and by probes. */
export interface IngressReport {
  state: "unknown" | "ok" | "failing";
  error: string | null;
  hint: string | null;
  /** The step that failed, or null. */
  step: IngressStep | null;
  /** The time of the last connection or probe that showed this state, in RFC 3339, or null. */
  checked_at: string | null;
  /** The time when it last answered an upgrade, which proves our certificate; or null. */
  answered_at: string | null;
}

/** The last connection that ngrokd refused because of its own limits. */
export interface SlotRefusal {
  age_seconds: number;
  error: string;
  hint: string;
}

/** One certificate of `trust`. `source` and `file` are null if it is not trusted. */
export interface CaReport {
  subject: string;
  issuer: string;
  /** Pairs of upper-case hexadecimal digits with colons. */
  sha256: string;
  /** RFC 3339. */
  valid_until: string;
  days_left: number;
  source: "directory" | "ingress_ca" | "learnt" | null;
  file: string | null;
}

/** The trust in the ingress, as `status` shows it. */
export interface TrustStatus {
  /** The sources of the trusted CAs that are not built in. */
  sources: string[];
  /** Files and CAs that could not be used or saved. */
  problems: string[];
  /** Certificates that expire soon: CAs in use, and that of the ingress. */
  warnings: string[];
  /** The source of the CA that verifies the ingress; `none` until a connection has shown it. */
  mode: "roots" | "directory" | "ingress_ca" | "learnt" | "none";
  /** That CA. Null also for a built-in root, because the runtime does not say which one it is. */
  ca: CaReport | null;
  /** The issuer of the certificate that the ingress presented last. */
  issuer: string | null;
  /** The chain that the last probe saw. Each problem continues the words "the certificate". */
  presented: {
    target: string;
    at: string;
    problems: string[];
    certificates: (CaReport & { trusted: boolean })[];
  } | null;
  /** The error of the last probe, or null. */
  look_error: string | null;
}

/** A proxy: its URL without credentials, and `config` or the name of a variable. */
export interface ProxyUse {
  url: string;
  source: string;
}

/** The proxies in use, or null. `notes` has a sentence for each setting that has no effect. */
export interface ProxyReport {
  api: ProxyUse | null;
  ingress: ProxyUse | null;
  notes: string[];
}

/** The response of `trust show`. */
export interface TrustReport extends TrustStatus {
  schema: 1;
  /** All trusted CAs that are not built in. */
  cas: CaReport[];
  /** The SHA-256 of each CA that may be learnt. */
  listed: string[];
}

/** The DNS server and the resolver. `degraded`: some addresses cannot be bound. */
export interface DnsReport {
  state: "off" | "ok" | "degraded" | "failing";
  /** The number of names that the server answers for, with wildcards. */
  names: number;
  /** Each `address:port`, and the reason why it is not bound, or null. */
  addresses: { address: string; error: string | null }[];
  /** The upstream DNS servers, each `address:port`. */
  upstreams: string[];
  /** The reason why other names cannot be forwarded, or not to all servers, or null. */
  forwarding: { error: string | null; hint: string | null };
  /** The first ten wildcards that this machine does not resolve through the server. */
  unresolved: string[];
  unresolved_count: number;
  /** `reason` says why it is not used, or why no better one is. */
  resolver: { driver: string; target: string; reason: string | null; hint: string | null };
}

/** Liveness, readiness and endpoints, with the reason of each problem. */
export interface HealthReport extends Verdict {
  healthy: boolean;
  /** True from the first list that is served, fresh or kept, until the drain. */
  ready: boolean;
  list: ListSource;
  has_endpoints: boolean;
  /** These fields of `status`. */
  api: Pick<StatusReport["api"], "state" | "last_poll" | "poll_age_seconds" | "error">;
  certificate: CertificateReport | null;
  /** A duration in the format of Go: `1h2m3.5s`. */
  uptime: string;
  start_time: string;
  endpoints: Record<string, EndpointHealth>;
}

/** One endpoint of the health report (docs/compatibility.md 4.4). */
export interface EndpointHealth {
  name: string;
  local_address: string;
  target_uri: string;
  active: boolean;
  connections: number;
  total_connections: number;
  /** RFC 3339; `0001-01-01T00:00:00Z` if never. */
  last_activity: string;
  errors: number;
}
