import type { EndpointReport, HealthReport, StatusReport } from "../../src/model/report.ts";

/** An endpoint that is fine. */
export const ENDPOINT: EndpointReport = {
  id: "ep_1",
  url: "https://api.example.com",
  hostname: "api.example.com",
  ip: "127.0.0.2",
  port: 443,
  listen_address: "127.0.0.2:443",
  mode: "virtual",
  state: "active",
  reason: "",
  local_listener: true,
  network_port: 0,
  listen_interface: "virtual",
  wildcard: false,
  wildcard_suffix: "",
  shared_listener_key: "",
  open_connections: 0,
  total_connections: 3,
  bytes_in: 10,
  bytes_out: 20,
  last_activity: "2026-08-01T10:00:00Z",
};

/** A daemon that is fine. */
export const STATUS: StatusReport = {
  schema: 1,
  version: "0.4.0",
  registered: true,
  operator_id: "k8sop_1",
  endpoint_count: 2,
  active_count: 1,
  ingress_endpoint: "ingress.example:443",
  api: {
    url: "https://api.ngrok.com",
    state: "ok",
    last_poll: "2026-08-01T10:00:00Z",
    error: null,
    hint: null,
    key: { set: true, source: "config" },
  },
  certificate: {
    serial: "01",
    issuer: "CN=Intermediate CA",
    not_before: "2026-08-01T00:00:00Z",
    not_after: "2026-10-30T00:00:00Z",
    days_left: 89.7,
    next_renewal: "2026-09-30T12:00:00Z",
    last_renewal: null,
    error: null,
  },
  ingress: { state: "ok", error: null, hint: null },
  proxy: null,
  trust: { sources: ["/etc/ngrokd/ingress_ca.pem"], problems: [] },
  config: { path: "/etc/ngrokd/config.yml", state: "ok", problems: [], warnings: [] },
  names: { driver: "hosts_file", state: "ok", reason: null },
  addresses: { driver: "loopback", kind: null, subnet: "127.0.0.0/8", reason: null },
  dns: {
    state: "ok",
    names: 2,
    addresses: [{ address: "127.0.0.1:53", error: null }],
    upstreams: ["9.9.9.9:53"],
    resolver: { driver: "systemd_resolved", target: "systemd-resolved (ngrokd0)", reason: null, hint: null },
  },
  health: { address: "127.0.0.1:8081", error: null },
  state_error: null,
  problems: [],
  start_time: "2026-08-01T09:00:00Z",
  uptime_seconds: 3_725,
};

/** A healthy daemon. */
export const HEALTH: HealthReport = {
  healthy: true,
  ready: true,
  has_endpoints: true,
  reasons: [],
  uptime: "1h2m3.5s",
  start_time: "2026-08-01T09:00:00Z",
  endpoints: {
    ep_1: {
      name: "ep_1",
      local_address: "127.0.0.2:443",
      target_uri: "https://api.example.com",
      active: true,
      connections: 0,
      total_connections: 3,
      last_activity: "0001-01-01T00:00:00Z",
      errors: 0,
    },
  },
};
