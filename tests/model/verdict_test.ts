import assert from "node:assert/strict";
import { renderStatus } from "../../src/cli/render_status.ts";
import type { CertificateReport, JudgedReport, StatusReport } from "../../src/model/report.ts";
import { judge } from "../../src/model/verdict.ts";
import { STATUS } from "../cli/reports.ts";

const NOTHING_WRONG: StatusReport = {
  ...STATUS,
  endpoint_count: 1,
  active_count: 1,
  failed_count: 0,
  failed: [],
};
const CERTIFICATE: CertificateReport = STATUS.certificate!;
const API = STATUS.api;
const DNS = STATUS.dns;
const TRUST = STATUS.trust;
const ROW = "tcp://db.example.com:5432: no address";
const SELF_SIGNED: JudgedReport["trust"] = {
  ...TRUST,
  presented: { target: STATUS.ingress_endpoint, at: "x", problems: ["is self-signed"], certificates: [] },
};
const UNTRUSTED = { ...STATUS.ingress, state: "failing", step: "trust", error: "why" } as const;
const NO_RESOLVER = { ...DNS.resolver, driver: "none", reason: "resolv.conf is a symlink", hint: "Add it" };

/** A change of the report → the summary and the reasons that it makes. */
type Row = readonly [what: string, changes: Partial<JudgedReport>, summary: string, ...reasons: RegExp[]];

const ROWS: readonly Row[] = [
  ["nothing is wrong", {}, "ok"],
  ["the account has no endpoints", { endpoint_count: 0, active_count: 0 }, "ok"],
  [
    "the poll waits for the request budget",
    { api: { ...API, notice: "the next poll waits 5 s for the request budget" } },
    "ok",
  ],
  [
    "the user does not want the resolver",
    { resolver_wanted: false, dns: { ...DNS, resolver: NO_RESOLVER } },
    "ok",
  ],
  ["DNS is off", { dns: { ...DNS, state: "off", addresses: [], resolver: NO_RESOLVER } }, "ok"],
  [
    "a resolver works and a better one does not",
    { dns: { ...DNS, resolver: { ...DNS.resolver, driver: "resolv_conf", reason: "resolved: x" } } },
    "ok",
  ],
  ["the daemon drains", { stopping: true }, "down: ngrokd is shutting down", /^ngrokd is shutting down/],
  [
    "the first poll runs and no list is known",
    { list: "none", endpoint_count: 0, active_count: 0, api: { ...API, state: "never", last_poll: null } },
    "down: the API has not answered yet; no list of endpoints yet",
    /^API: no poll has ended yet$/,
    /^No list/,
  ],
  [
    "the first poll runs and the last list is served",
    { list: "kept", api: { ...API, state: "never", last_poll: null } },
    "degraded: the API has not answered yet",
    /^API: /,
  ],
  [
    "no key is set",
    {
      registered: false,
      certificate: null,
      list: "none",
      endpoint_count: 0,
      active_count: 0,
      api: { ...API, state: "no_key", key: { set: false, source: null } },
    },
    "down: no API key is set; no list of endpoints yet",
    /set-api-key/,
    /^No list/,
  ],
  [
    "the key is refused and nothing is served",
    {
      registered: false,
      certificate: null,
      list: "none",
      endpoint_count: 0,
      active_count: 0,
      api: { ...API, state: "key_refused", error: "The key was refused" },
    },
    "down: the API refuses the key; no list of endpoints yet",
    /^API: The key was refused$/,
    /^No list/,
  ],
  [
    "the key is refused and the list stays",
    { api: { ...API, state: "key_refused", error: "The key was refused" } },
    "degraded: the API refuses the key",
    /^API: The key was refused$/,
  ],
  [
    "the API is unreachable",
    { api: { ...API, state: "unreachable", error: "connection refused" } },
    "degraded: the API is unreachable",
    /^API: connection refused$/,
  ],
  [
    "the API limits requests",
    { api: { ...API, state: "rate_limited", error: "429" } },
    "degraded: the API limits requests",
    /^API: 429$/,
  ],
  [
    "the API answers with errors",
    { api: { ...API, state: "failing", error: "500" } },
    "degraded: the API answers with errors",
    /^API: 500$/,
  ],
  [
    "the list is shorter than before",
    { api: { ...API, warning: "the API lists 0 of 2", notice: "the API lists 0 of 2" } },
    "degraded: the list of endpoints may be incomplete",
    /^API: the API lists 0 of 2$/,
  ],
  [
    "the list is stale",
    { api: { ...API, poll_age_seconds: 1260 } },
    "degraded: the list of endpoints is 21 minutes old",
    /1260 s ago/,
  ],
  [
    "there is no certificate",
    { certificate: null },
    "down: there is no certificate",
    /^Certificate: there is none/,
  ],
  [
    "the certificate has expired",
    {
      certificate: { ...CERTIFICATE, days_left: -1, warning: "It expired on x" },
      ingress: { ...STATUS.ingress, state: "unknown" },
    },
    "down: the certificate has expired",
    /^Certificate: It expired/,
  ],
  ...[null, "2026-10-29T23:59:59.000Z"].map((answered_at): Row => [
    "the certificate has expired since the last upgrade, and a TLS handshake succeeds",
    {
      certificate: { ...CERTIFICATE, days_left: -1, warning: "It expired on x" },
      ingress: { ...STATUS.ingress, answered_at },
    },
    "down: the certificate has expired",
    /^Certificate: It expired/,
  ]),
  [
    "the certificate has expired by a wrong clock",
    {
      certificate: { ...CERTIFICATE, days_left: -1, warning: "It expired on x" },
      ingress: { ...STATUS.ingress, answered_at: "2026-10-30T00:00:01.000Z" },
    },
    "degraded: the certificate has expired",
    /^Certificate: It expired/,
  ],
  [
    "the certificate is overdue and its renewal failed",
    { certificate: { ...CERTIFICATE, error: "500", warning: "Renewal overdue since x" } },
    "degraded: the certificate is not renewed",
    /^Certificate: 500$/,
    /^Certificate: Renewal overdue/,
  ],
  ...([
    ["resolve", "the ingress's name does not resolve"],
    ["connect", "the ingress is unreachable"],
    ["proxy", "the proxy does not reach the ingress"],
    ["tls", "the TLS handshake with the ingress fails"],
    ["trust", "the ingress is not trusted"],
    ["certificate", "the ingress may refuse the certificate"],
    ["upgrade", "the ingress does not answer"],
  ] as const).map(([step, brief]): Row => [
    `the ingress fails at ${step}`,
    { ingress: { ...STATUS.ingress, state: "failing", step, error: "why" } },
    `degraded: ${brief}`,
    /^Ingress: why$/,
  ]),
  [
    "the ingress fails for every endpoint",
    {
      active_count: 0,
      failing_count: 1,
      failing: [ROW],
      ingress: { ...STATUS.ingress, state: "failing", step: "connect", error: "why" },
    },
    "down: the ingress is unreachable; 1 endpoint failing",
    /^Ingress: why$/,
    /^tcp:/,
  ],
  [
    "one of two endpoints is failing",
    { endpoint_count: 2, failing_count: 1, failing: [ROW] },
    "degraded: 1 endpoint failing",
    /^tcp:/,
  ],
  [
    "more endpoints have no listener than are named",
    { endpoint_count: 13, failed_count: 12, failed: [ROW] },
    "degraded: 12 endpoints without a listener",
    /^tcp:/,
    /^11 more .*ngrokctl list/,
  ],
  [
    "no endpoint has a listener",
    { active_count: 0, failed_count: 1, failed: [ROW] },
    "down: 1 endpoint without a listener",
    /^tcp:/,
  ],
  [
    "a name does not resolve",
    { active_count: 0, degraded_count: 1, degraded: [ROW] },
    "degraded: 1 endpoint without a name",
    /^tcp:/,
  ],
  ["a name is refused", { refused_count: 1, refused: [ROW] }, "degraded: 1 endpoint refused", /^tcp:/],
  [
    "every name is refused",
    { endpoint_count: 0, active_count: 0, refused_count: 1, refused: [ROW] },
    "down: 1 endpoint refused",
    /^tcp:/,
  ],
  [
    "there is no interface",
    { addresses: { ...STATUS.addresses, reason: "Failed to create virtual network interface" } },
    "degraded: virtual addresses are not as configured",
    /^Addresses: Failed to create/,
  ],
  [
    "a VPN overlaps with the virtual addresses",
    { addresses: { ...STATUS.addresses, reason: "this machine cannot reach it", hint: "ngrokctl rebind" } },
    "degraded: virtual addresses overlap with another network",
    /^Addresses: this machine/,
  ],
  [
    "the hosts file is not written",
    { names: { driver: "hosts_file", state: "failing", reason: "no END marker" } },
    "degraded: names are not published",
    /^Names: no END marker$/,
  ],
  [
    "the hosts file may not be written",
    { names: { driver: "none", state: "off", reason: "the permission set" } },
    "degraded: names are not published",
    /^Names: the permission set$/,
  ],
  [
    "the DNS server failed",
    { dns: { ...DNS, state: "failing", addresses: [{ address: "127.0.0.1:53", error: "in use" }] } },
    "degraded: DNS does not answer",
    /^DNS: in use$/,
  ],
  [
    "the DNS server lacks an address",
    {
      dns: {
        ...DNS,
        state: "degraded",
        addresses: [...DNS.addresses, { address: "192.0.2.1:53", error: "in use" }],
      },
    },
    "degraded: DNS lacks an address",
    /^DNS: in use$/,
  ],
  [
    "no other DNS server is known",
    { dns: { ...DNS, forwarding: { error: "/etc/resolv.conf names no DNS server", hint: null } } },
    "degraded: other names than those of endpoints do not resolve",
    /^DNS of other names: \/etc\/resolv\.conf names no DNS server$/,
  ],
  [
    "the resolver is not managed though wanted",
    { dns: { ...DNS, resolver: NO_RESOLVER } },
    "degraded: this machine does not query ngrokd",
    /^Resolver: resolv\.conf is a symlink$/,
  ],
  [
    "a CA cannot be used",
    { trust: { ...TRUST, problems: ["bad.pem is no certificate"] } },
    "degraded: a CA cannot be used",
    /^Trust: bad\.pem/,
  ],
  [
    "a certificate of the ingress expires soon",
    { trust: { ...TRUST, warnings: ["the CA expires in 5 days"] } },
    "degraded: a certificate of the ingress expires soon",
    /^Trust: the CA/,
  ],
  [
    "the ingress presents an untrusted certificate",
    { trust: SELF_SIGNED, ingress: UNTRUSTED },
    "degraded: the ingress is not trusted",
    /^Ingress: why$/,
    /^Trust: the certificate of ingress\.example:443 is self-signed$/,
  ],
  ["a connection succeeds since the ingress was not trusted", { trust: SELF_SIGNED }, "ok"],
  [
    "another ingress fails than the one that was not trusted",
    {
      ingress_endpoint: "other.example:443",
      trust: SELF_SIGNED,
      ingress: { ...UNTRUSTED, step: "connect" },
    },
    "degraded: the ingress is unreachable",
    /^Ingress: why$/,
  ],
  [
    "connections are refused at the limit",
    { slot_refusal: { age_seconds: 299, error: "all 64 connections are in use", hint: "Close some" } },
    "degraded: a limit of connections is reached",
    /^Connections: all 64 .* 299 s ago$/,
  ],
  [
    "a connection was refused at the limit 5 minutes ago",
    { slot_refusal: { age_seconds: 300, error: "all 64 connections are in use", hint: "Close some" } },
    "ok",
  ],
  [
    "wildcards do not resolve although the resolver works",
    {
      dns: {
        ...DNS,
        unresolved: ["*.a.x does not resolve on this machine: taken"],
        unresolved_count: 12,
        resolver: { ...DNS.resolver, driver: "resolver_dir" },
      },
    },
    "degraded: 12 wildcards do not resolve",
    /^DNS: \*\.a\.x does not resolve on this machine: taken$/,
    /^DNS: 11 more wildcards/,
  ],
  ["the start has repaired a damaged state file", { notes: ["ip_mappings.json was damaged"] }, "ok"],
  [
    "the certificates of the ingress cannot be read",
    { trust: { ...TRUST, look_error: "no response" }, ingress: { ...STATUS.ingress, state: "unknown" } },
    "degraded: the ingress's certificates cannot be read",
    /^Trust: no response$/,
  ],
  [
    "the configuration is rejected",
    { config: { path: "c.yml", state: "rejected", problems: ["net.start_port: x"], warnings: [] } },
    "degraded: the configuration is rejected",
    /^Configuration: net\.start_port: x$/,
  ],
  [
    "a key of the configuration is unknown",
    { config: { path: "c.yml", state: "ok", problems: [], warnings: ["apii: unknown"] } },
    "ok",
  ],
  [
    "the health server cannot be bound",
    { health: { address: "127.0.0.1:8081", error: "address is in use" } },
    "degraded: the health server is off",
    /^Health: address is in use$/,
  ],
  [
    "the state cannot be saved",
    { state_error: "the disk is full" },
    "degraded: the last round failed",
    /^State: the disk is full$/,
  ],
  [
    "there are leftovers, unsafe directories or listeners that do not accept",
    { problems: ["/var/lib/ngrokd is unsafe", "The listener on x does not accept connections"] },
    "degraded: 2 problems on this machine",
    /unsafe/,
    /does not accept/,
  ],
];

Deno.test("judge() finds everything that a report can show wrong, and nothing else (R108)", () => {
  for (const [what, changes, summary, ...reasons] of ROWS) {
    const report = { ...NOTHING_WRONG, ...changes };
    const judged = judge(report);
    assert.equal(judged.summary, summary, what);
    assert.equal(judged.verdict, summary.split(":")[0], what);
    assert.equal(judged.reasons.length, reasons.length, `${what}: ${judged.reasons.join(", ")}`);
    for (const [index, reason] of reasons.entries()) assert.match(judged.reasons[index]!, reason, what);
    const text = renderStatus({ ...report, ...judged });
    assert.equal(text.split("\n")[0], summary, what);
    if (reasons.length > 0) assert.match(text, /⚠/, `${what} is not among the problems of status`);
  }
});

Deno.test("judge() shows as many findings as fit into 80 columns, the causes first (R108)", () => {
  const { summary, reasons } = judge({
    ...NOTHING_WRONG,
    api: { ...API, state: "unreachable", error: "x" },
    ingress: { ...STATUS.ingress, state: "failing", step: "connect", error: "x" },
    names: { driver: "hosts_file", state: "failing", reason: "x" },
    state_error: "x",
  });
  assert.equal(summary, "degraded: the API is unreachable; the ingress is unreachable; 2 more");
  assert.equal(reasons.length, 4);
});
