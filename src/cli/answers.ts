import { z } from "zod";
import { DaemonError } from "../control/client.ts";
import type { EndpointReport, HealthReport, StatusReport, TrustReport } from "../model/report.ts";

const NULLABLE_TEXT = z.string().nullable();
/** What came after the first answers of schema 1: a daemon that still runs during an upgrade does not say it. */
const LATER_TEXT = NULLABLE_TEXT.default(null);
const API_STATE = z.enum(["never", "no_key", "ok", "key_refused", "rate_limited", "unreachable", "failing"]);

const ENDPOINT: z.ZodType<EndpointReport> = z.looseObject({
  id: z.string(),
  url: z.string(),
  hostname: z.string(),
  ip: z.string(),
  port: z.number(),
  listen_address: z.string(),
  mode: z.string(),
  state: z.enum(["active", "failed", "refused"]),
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

const CERTIFICATE = z.looseObject({
  serial: z.string(),
  issuer: z.string(),
  not_before: z.string(),
  not_after: z.string(),
  days_left: z.number(),
  next_renewal: LATER_TEXT,
  last_renewal: LATER_TEXT,
  error: LATER_TEXT,
  warning: LATER_TEXT,
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
  warnings: z.array(z.string()).default([]),
  mode: z.enum(["roots", "directory", "ingress_ca", "learnt", "none"]),
  ca: z.looseObject(CA).nullable(),
  issuer: NULLABLE_TEXT,
  presented: z.looseObject({
    target: z.string(),
    at: z.string(),
    problems: z.array(z.string()),
    certificates: z.array(z.looseObject({ ...CA, trusted: z.boolean() })),
  }).nullable(),
  look_error: LATER_TEXT,
};

const TRUST_SHOWN = z.looseObject({
  schema: z.literal(1),
  ...TRUST,
  cas: z.array(z.looseObject(CA)),
  listed: z.array(z.string()),
}) satisfies z.ZodType<TrustReport>;

const PROXY_USE = z.looseObject({ url: z.string(), source: z.string() });
const PROXY = z.looseObject({
  api: PROXY_USE.nullable(),
  ingress: PROXY_USE.nullable(),
  notes: z.array(z.string()),
});
/** There was one for both ways, or none. */
const EARLIER_PROXY = PROXY_USE.nullable().transform((use) => ({ api: use, ingress: use, notes: [] }));

const STATUS = z.looseObject({
  schema: z.literal(1),
  version: z.string(),
  registered: z.boolean(),
  operator_id: z.string().exactOptional(),
  endpoint_count: z.number(),
  active_count: z.number(),
  ingress_endpoint: z.string(),
  api: z.looseObject({
    url: z.string(),
    state: API_STATE,
    last_poll: NULLABLE_TEXT,
    poll_age_seconds: z.number().nullable().default(null),
    error: NULLABLE_TEXT,
    hint: NULLABLE_TEXT,
    notice: LATER_TEXT,
    key: z.looseObject({ set: z.boolean(), source: z.enum(["config", "environment", "file"]).nullable() }),
  }),
  certificate: CERTIFICATE.nullable(),
  ingress: z.looseObject({
    state: z.enum(["unknown", "ok", "failing"]),
    error: NULLABLE_TEXT,
    hint: NULLABLE_TEXT,
  }),
  proxy: z.union([PROXY, EARLIER_PROXY]).default({ api: null, ingress: null, notes: [] }),
  trust: z.looseObject(TRUST).partial({ mode: true, ca: true, issuer: true, presented: true }),
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
    kind: LATER_TEXT,
    subnet: z.string(),
    reason: NULLABLE_TEXT,
  }),
  dns: z.looseObject({
    state: z.enum(["off", "ok", "degraded", "failing"]),
    names: z.number(),
    addresses: z.array(z.looseObject({ address: z.string(), error: NULLABLE_TEXT })),
    upstreams: z.array(z.string()),
    resolver: z.looseObject({
      driver: z.string(),
      target: z.string(),
      reason: NULLABLE_TEXT,
      hint: NULLABLE_TEXT,
    }),
  }),
  health: z.looseObject({ address: z.string(), error: NULLABLE_TEXT }),
  state_error: NULLABLE_TEXT,
  problems: z.array(z.string()),
  start_time: z.string(),
  uptime_seconds: z.number(),
}) satisfies z.ZodType<StatusAnswer>;

const HEALTH = z.looseObject({
  healthy: z.boolean(),
  ready: z.boolean(),
  has_endpoints: z.boolean(),
  api: z.looseObject({
    state: API_STATE,
    last_poll: NULLABLE_TEXT,
    poll_age_seconds: z.number().nullable(),
    error: NULLABLE_TEXT,
  }).optional(),
  certificate: CERTIFICATE.nullable().optional(),
  reasons: z.array(z.string()),
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
}) satisfies z.ZodType<HealthAnswer>;

/** What `status` answers. Of an older daemon, what it does not say is null; the rest of `trust` is absent, for null would say that nothing verifies. */
export type StatusAnswer = Omit<StatusReport, "trust"> & {
  trust:
    & Pick<StatusReport["trust"], "sources" | "problems" | "warnings">
    & { [Key in keyof StatusReport["trust"]]?: StatusReport["trust"][Key] | undefined };
};

/** What `health` answers; an older daemon does not say all of it. */
export type HealthAnswer = Omit<HealthReport, "api" | "certificate"> & {
  api?: HealthReport["api"] | undefined;
  certificate?: HealthReport["certificate"] | undefined;
};

/** The answer of `status`. @throws {DaemonError} `malformed` */
export function parseStatus(data: unknown): StatusAnswer {
  return parse(STATUS, data);
}

/** The answer of `list`, sorted by host name, port and id. @throws {DaemonError} `malformed` */
export function parseList(data: unknown): EndpointReport[] {
  return parse(z.array(ENDPOINT), data).sort((a, b) =>
    compare(a.hostname, b.hostname) || a.port - b.port || compare(a.id, b.id)
  );
}

/** The answer of `health`. @throws {DaemonError} `malformed` */
export function parseHealth(data: unknown): HealthAnswer {
  return parse(HEALTH, data);
}

/** The answer of `trust show`. @throws {DaemonError} `malformed` */
export function parseTrust(data: unknown): TrustReport {
  return parse(TRUST_SHOWN, data);
}

/** The answer of a command that says one sentence. @throws {DaemonError} `malformed` */
export function parseSentence(data: unknown): string {
  return parse(z.string(), data);
}

function parse<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
  throw new DaemonError(
    `Cannot use the daemon's answer: it is not of the form that this version knows${where}`,
    {
      code: "malformed",
      hint: "Check that ngrokd and ngrokctl are of one version: ngrokctl version, ngrokd --version",
    },
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
