import { z } from "zod";
import { DaemonError } from "../control/client.ts";
import { compare } from "../lib/compare.ts";
import type {
  CertificateReport,
  EndpointReport,
  HealthReport,
  StatusReport,
  TrustReport,
} from "../model/report.ts";

const NULLABLE_TEXT = z.string().nullable();
const API_STATE = z.enum(["never", "no_key", "ok", "key_refused", "rate_limited", "unreachable", "failing"]);

const ENDPOINT: z.ZodType<EndpointReport> = z.looseObject({
  id: z.string(),
  url: z.string(),
  hostname: z.string(),
  ip: z.string(),
  port: z.number(),
  listen_address: z.string(),
  mode: z.string(),
  state: z.enum(["active", "degraded", "failing", "failed", "refused"]),
  reason: z.string(),
  local_listener: z.boolean(),
  network_port: z.number(),
  listen_interface: z.string(),
  wildcard: z.boolean(),
  wildcard_suffix: z.string(),
  shared_listener_key: z.string(),
  open_connections: z.number(),
  total_connections: z.number(),
  bytes_in: z.number(),
  bytes_out: z.number(),
  last_activity: NULLABLE_TEXT,
});

const CERTIFICATE: z.ZodType<CertificateReport> = z.looseObject({
  serial: z.string(),
  issuer: z.string(),
  not_before: z.string(),
  not_after: z.string(),
  days_left: z.number(),
  next_renewal: NULLABLE_TEXT,
  last_renewal: NULLABLE_TEXT,
  error: NULLABLE_TEXT,
  warning: NULLABLE_TEXT,
});

const CA = {
  subject: z.string(),
  issuer: z.string(),
  sha256: z.string(),
  valid_until: z.string(),
  days_left: z.number(),
  source: z.enum(["directory", "ingress_ca", "learnt"]).nullable(),
  file: NULLABLE_TEXT,
};

const TRUST = {
  sources: z.array(z.string()),
  problems: z.array(z.string()),
  warnings: z.array(z.string()),
  mode: z.enum(["roots", "directory", "ingress_ca", "learnt", "none"]),
  ca: z.looseObject(CA).nullable(),
  issuer: NULLABLE_TEXT,
  presented: z.looseObject({
    target: z.string(),
    at: z.string(),
    problems: z.array(z.string()),
    certificates: z.array(z.looseObject({ ...CA, trusted: z.boolean() })),
  }).nullable(),
  look_error: NULLABLE_TEXT,
};

const TRUST_SHOWN: z.ZodType<TrustReport> = z.looseObject({
  schema: z.literal(1),
  ...TRUST,
  cas: z.array(z.looseObject(CA)),
  listed: z.array(z.string()),
});

const PROXY_USE = z.looseObject({ url: z.string(), source: z.string() });
const PROXY = z.looseObject({
  api: PROXY_USE.nullable(),
  ingress: PROXY_USE.nullable(),
  notes: z.array(z.string()),
});

const VERDICT = {
  verdict: z.enum(["ok", "degraded", "down"]),
  summary: z.string(),
  reasons: z.array(z.string()),
};
const LIST = z.enum(["none", "kept", "fresh"]);

const STATUS: z.ZodType<StatusReport> = z.looseObject({
  schema: z.literal(1),
  ...VERDICT,
  version: z.string(),
  registered: z.boolean(),
  operator_id: z.string().exactOptional(),
  stopping: z.boolean(),
  list: LIST,
  endpoint_count: z.number(),
  active_count: z.number(),
  refused_count: z.number(),
  refused: z.array(z.string()),
  degraded_count: z.number(),
  degraded: z.array(z.string()),
  warnings: z.array(z.string()),
  failing_count: z.number(),
  failing: z.array(z.string()),
  failed_count: z.number(),
  failed: z.array(z.string()),
  ingress_endpoint: z.string(),
  api: z.looseObject({
    url: z.string(),
    state: API_STATE,
    last_poll: NULLABLE_TEXT,
    poll_age_seconds: z.number().nullable(),
    poll_interval_seconds: z.number(),
    error: NULLABLE_TEXT,
    hint: NULLABLE_TEXT,
    notice: NULLABLE_TEXT,
    warning: NULLABLE_TEXT,
    key: z.looseObject({ set: z.boolean(), source: z.enum(["config", "environment", "file"]).nullable() }),
  }),
  certificate: CERTIFICATE.nullable(),
  ingress: z.looseObject({
    state: z.enum(["unknown", "ok", "failing"]),
    error: NULLABLE_TEXT,
    hint: NULLABLE_TEXT,
    step: z.enum(["resolve", "connect", "proxy", "tls", "trust", "certificate", "upgrade"]).nullable(),
    checked_at: NULLABLE_TEXT,
    answered_at: NULLABLE_TEXT,
  }),
  slot_refusal: z.looseObject({ age_seconds: z.number(), error: z.string(), hint: z.string() }).nullable(),
  proxy: PROXY,
  trust: z.looseObject(TRUST),
  config: z.looseObject({
    path: z.string(),
    state: z.enum(["ok", "rejected"]),
    problems: z.array(z.string()),
    warnings: z.array(z.string()),
  }),
  names: z.looseObject({
    driver: z.string(),
    state: z.enum(["ok", "failing", "off"]),
    reason: NULLABLE_TEXT,
  }),
  addresses: z.looseObject({
    driver: z.string(),
    kind: NULLABLE_TEXT,
    subnet: z.string(),
    reason: NULLABLE_TEXT,
    hint: NULLABLE_TEXT.default(null),
  }),
  dns: z.looseObject({
    state: z.enum(["off", "ok", "degraded", "failing"]),
    names: z.number(),
    addresses: z.array(z.looseObject({ address: z.string(), error: NULLABLE_TEXT })),
    upstreams: z.array(z.string()),
    forwarding: z.looseObject({ error: NULLABLE_TEXT, hint: NULLABLE_TEXT }),
    unresolved: z.array(z.string()),
    unresolved_count: z.number(),
    resolver: z.looseObject({
      driver: z.string(),
      target: z.string(),
      reason: NULLABLE_TEXT,
      hint: NULLABLE_TEXT,
    }),
  }),
  resolver_wanted: z.boolean(),
  health: z.looseObject({ address: z.string(), error: NULLABLE_TEXT }),
  state_error: NULLABLE_TEXT,
  problems: z.array(z.string()),
  notes: z.array(z.string()),
  start_time: z.string(),
  uptime_seconds: z.number(),
});

const HEALTH: z.ZodType<HealthReport> = z.looseObject({
  ...VERDICT,
  healthy: z.boolean(),
  ready: z.boolean(),
  list: LIST,
  has_endpoints: z.boolean(),
  api: z.looseObject({
    state: API_STATE,
    last_poll: NULLABLE_TEXT,
    poll_age_seconds: z.number().nullable(),
    error: NULLABLE_TEXT,
  }),
  certificate: CERTIFICATE.nullable(),
  uptime: z.string(),
  start_time: z.string(),
  endpoints: z.record(
    z.string(),
    z.looseObject({
      name: z.string(),
      local_address: z.string(),
      target_uri: z.string(),
      active: z.boolean(),
      connections: z.number(),
      total_connections: z.number(),
      last_activity: z.string(),
      errors: z.number(),
    }),
  ),
});

/** Parses the response of `status`. @throws {DaemonError} `malformed` */
export function parseStatus(data: unknown): StatusReport {
  return parse(STATUS, data);
}

/**
 * Parses the response of `list`, sorted by host name, port and id.
 *
 * @throws {DaemonError} `malformed`
 */
export function parseList(data: unknown): EndpointReport[] {
  return parse(z.array(ENDPOINT), data).sort((a, b) =>
    compare(a.hostname, b.hostname) || a.port - b.port || compare(a.id, b.id)
  );
}

/** Parses the response of `health`. @throws {DaemonError} `malformed` */
export function parseHealth(data: unknown): HealthReport {
  return parse(HEALTH, data);
}

/** Parses the response of `trust show`. @throws {DaemonError} `malformed` */
export function parseTrust(data: unknown): TrustReport {
  return parse(TRUST_SHOWN, data);
}

/** Parses the response of a command that reports one sentence. @throws {DaemonError} `malformed` */
export function parseSentence(data: unknown): string {
  return parse(z.string(), data);
}

function parse<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
  throw new DaemonError(`Cannot read the response of the daemon: unknown form${where}`, {
    code: "malformed",
    hint: "Check that both print the same version: ngrokd --version, ngrokctl version",
  });
}
