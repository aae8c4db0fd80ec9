/** Where an endpoint stands on this machine. */
export type EndpointState = "active" | "failed" | "refused";

/** One row of `list`, in the spelling of the control socket's JSON (COMPAT.md 4.3 and its additions). */
export interface EndpointReport {
  id: string;
  url: string;
  hostname: string;
  /** The local address; `""` if it has none. */
  ip: string;
  /** The URL's port. */
  port: number;
  /** `address:port` to connect to; `""` if there is none. */
  listen_address: string;
  /** `virtual`, or the interface or address that it is shared on. */
  mode: string;
  state: EndpointState;
  /** Why it is not active, or what is unusual about it; `""` if nothing is. */
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
  /** RFC 3339, or null if there was none. */
  last_activity: string | null;
}

/** `never`: no poll has ended yet. `no_key`: waits for an API key. */
export type ApiState = "never" | "no_key" | "ok" | "key_refused" | "rate_limited" | "unreachable" | "failing";

/** What `status` says of the certificate. Times are RFC 3339. */
export interface CertificateReport {
  serial: string;
  issuer: string;
  not_before: string;
  not_after: string;
  days_left: number;
  /** When it is renewed, or tried again after a failure. */
  next_renewal: string | null;
  /** When this certificate replaced another, also before a restart; null: it is the first, or that is not known. */
  last_renewal: string | null;
  /** Why the last try to renew it failed, or null. */
  error: string | null;
  /** That it is overdue or has expired, and since when; null if neither. */
  warning: string | null;
}

/** The answer of `status`; a superset of COMPAT.md 4.3. */
export interface StatusReport {
  schema: 1;
  version: string;
  registered: boolean;
  operator_id?: string;
  endpoint_count: number;
  active_count: number;
  ingress_endpoint: string;
  api: {
    url: string;
    state: ApiState;
    /** RFC 3339, or null. */
    last_poll: string | null;
    /** Seconds since then, or null. */
    poll_age_seconds: number | null;
    error: string | null;
    hint: string | null;
    /** What is unusual about a poll that went well, or null. */
    notice: string | null;
    key: { set: boolean; source: "config" | "environment" | "file" | null };
  };
  certificate: CertificateReport | null;
  /** The last failure of a connection to the ingress that no later connection has disproved. */
  ingress: { state: "unknown" | "ok" | "failing"; error: string | null; hint: string | null };
  proxy: ProxyReport;
  trust: TrustStatus;
  config: { path: string; state: "ok" | "rejected"; problems: string[]; warnings: string[] };
  names: { driver: string; state: "ok" | "failing" | "off"; reason: string | null };
  /** `kind`: of the interface that holds them (`dummy`, `bridge`, `lo`); null if none does. */
  addresses: { driver: string; kind: string | null; subnet: string; reason: string | null };
  /** The DNS server, and what makes this machine ask it. */
  dns: DnsReport;
  health: { address: string; error: string | null };
  /** Why the last round could not be saved, or null. */
  state_error: string | null;
  /** What was wrong with the files of the state directory. */
  problems: string[];
  /** RFC 3339. */
  start_time: string;
  uptime_seconds: number;
}

/** One certificate of `trust`. `source` and `file`: where it is trusted from, or null. */
export interface CaReport {
  subject: string;
  issuer: string;
  /** Upper-case hexadecimal pairs with colons. */
  sha256: string;
  /** RFC 3339. */
  valid_until: string;
  days_left: number;
  source: "directory" | "ingress_ca" | "learnt" | null;
  file: string | null;
}

/** What `status` says of the trust in the ingress. */
export interface TrustStatus {
  /** Where the CAs beside the built-in roots come from. */
  sources: string[];
  /** Files and CAs that could not be used, or not be kept. */
  problems: string[];
  /** What is near its end: CAs in use, and the certificate that the ingress presents. */
  warnings: string[];
  /** Which CA the ingress verifies with; `none` as long as it has not been seen to. */
  mode: "roots" | "directory" | "ingress_ca" | "learnt" | "none";
  /** That CA; null for a built-in root too: which one it is, the runtime does not say. */
  ca: CaReport | null;
  /** Of the certificate that the ingress presented last. */
  issuer: string | null;
  /** What it presented when it was last looked at, its own first; `problems` go on from "the certificate". */
  presented: {
    target: string;
    at: string;
    problems: string[];
    certificates: (CaReport & { trusted: boolean })[];
  } | null;
  /** Why the last look at it came to nothing, or null. */
  look_error: string | null;
}

/** One way through a proxy: its URL without credentials, and `config` or the name of the variable that it is from. */
export interface ProxyUse {
  url: string;
  source: string;
}

/** The ways through proxies; null: none. `notes`: one sentence for each setting that is there and does not count. */
export interface ProxyReport {
  api: ProxyUse | null;
  ingress: ProxyUse | null;
  notes: string[];
}

/** The answer of `trust show`. */
export interface TrustReport extends TrustStatus {
  schema: 1;
  /** All that are trusted beside the built-in roots. */
  cas: CaReport[];
  /** SHA-256 of the CAs that may be learnt. */
  listed: string[];
}

/** What `status` says of DNS. `degraded`: some addresses cannot be bound. */
export interface DnsReport {
  state: "off" | "ok" | "degraded" | "failing";
  /** How many names are answered, wildcards included. */
  names: number;
  /** `address:port`, and why it is not bound, or null. */
  addresses: { address: string; error: string | null }[];
  /** Who is asked about other names, each `address:port`. */
  upstreams: string[];
  /** `reason`: why it is not used, or not a better one. */
  resolver: { driver: string; target: string; reason: string | null; hint: string | null };
}

/** Liveness, readiness and endpoints told apart, with the reasons of what is not right. */
export interface HealthReport {
  healthy: boolean;
  ready: boolean;
  has_endpoints: boolean;
  /** As in `status`. */
  api: Pick<StatusReport["api"], "state" | "last_poll" | "poll_age_seconds" | "error">;
  certificate: CertificateReport | null;
  reasons: string[];
  /** As Go prints a duration: `1h2m3.5s`. */
  uptime: string;
  start_time: string;
  endpoints: Record<string, EndpointHealth>;
}

/** One endpoint in the health report (COMPAT.md 4.4). */
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
