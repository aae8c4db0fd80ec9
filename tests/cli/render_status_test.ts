import assert from "node:assert/strict";
import { renderStatus } from "../../src/cli/render_status.ts";
import type { StatusReport } from "../../src/model/report.ts";
import { STATUS } from "./reports.ts";

const TITLE = `${STATUS.summary}
╔═══════════════════════════════════════════════════════╗
║               ngrokd Daemon Status                    ║
╚═══════════════════════════════════════════════════════╝

`;

function lines(changes: Partial<StatusReport>): string[] {
  return renderStatus({ ...STATUS, ...changes }).slice(TITLE.length).split("\n");
}

Deno.test("renderStatus() prints the lines of the Go daemon first, then the details", () => {
  assert.equal(
    renderStatus(STATUS),
    `${TITLE}  ✓ Registered:        Yes
  Operator ID:         k8sop_1
  Endpoints:           2
  Ingress:             ingress.example:443

  Active:              1 of 2
  API:                 ok (https://api.ngrok.com, last poll 2026-08-01T10:00:00Z, 12s ago)
  API key:             set (config)
  Certificate:         89 days left (until 2026-10-30T00:00:00Z, renewal 2026-09-30T12:00:00Z)
  Issued:              2026-08-01T00:00:00Z by CN=Intermediate CA, serial 01
  Ingress state:       ok (checked 2026-08-01T10:00:00Z)
  Trust:               built-in roots, /etc/ngrokd/ingress_ca.pem
  Trust mode:          no CA yet
  Names:               hosts_file (ok)
  Addresses:           loopback (127.0.0.0/8)
  DNS:                 ok, 2 names on 127.0.0.1:53
  Resolver:            systemd-resolved (ngrokd0)
  Health:              127.0.0.1:8081
  Config:              /etc/ngrokd/config.yml (ok)
  Version:             0.4.0, up 1h 2m

  ⚠ Endpoints: 1 not served
    See the reasons: ngrokctl list

`,
  );
});

Deno.test("renderStatus() names the proxies, their sources and the unused settings, if there are any", () => {
  const proxy = {
    api: { url: "http://a.example:3128", source: "HTTPS_PROXY" },
    ingress: { url: "socks5://b.example:1080", source: "config" },
    notes: ["ALL_PROXY is not used: HTTPS_PROXY has priority"],
  };
  const shown = lines({ proxy }).filter((line) => /proxy/i.test(line));
  assert.deepEqual(shown, [
    "  API proxy:           http://a.example:3128 (HTTPS_PROXY)",
    "  Ingress proxy:       socks5://b.example:1080 (config)",
    "  Proxy note:          ALL_PROXY is not used: HTTPS_PROXY has priority",
  ]);
  assert.deepEqual(lines({}).filter((line) => /proxy/i.test(line)), []);
});

Deno.test("renderStatus() gives the reason that a daemon is not registered", () => {
  const api = (state: StatusReport["api"]["state"], set: boolean) => ({
    ...STATUS.api,
    state,
    last_poll: null,
    key: { set, source: set ? "environment" as const : null },
  });
  const first = (state: StatusReport["api"]["state"], set: boolean) =>
    lines({ registered: false, api: api(state, set) })[0];
  assert.equal(first("no_key", false), "  ⚠ Registered:        No (waiting for API key)");
  assert.equal(first("key_refused", true), "  ⚠ Registered:        No (API key refused)");
  assert.equal(first("unreachable", true), "  ⚠ Registered:        No (unreachable)");
  assert.equal(first("no_key", true), "  ⚠ Registered:        No (not polled yet)");
  assert.ok(lines({ api: api("no_key", false) }).includes("  API key:             not set"));
});

Deno.test("renderStatus() names degraded endpoints with their reasons, and counts the others", () => {
  const degraded = ["tcp://pg.myapp:5432: the name does not resolve"];
  const shown = lines({ endpoint_count: 12, degraded_count: 11, degraded, failed_count: 0 });
  assert.deepEqual(shown.filter((line) => /⚠ Endpoint|ngrokctl list/.test(line)), [
    "  ⚠ Endpoint: tcp://pg.myapp:5432: the name does not resolve",
    "  ⚠ Endpoints: 10 more degraded",
    "    See the reasons: ngrokctl list",
  ]);
});

Deno.test("renderStatus() points to list while there are no endpoints", () => {
  const text = lines({ endpoint_count: 0, active_count: 0 });
  assert.deepEqual(text.slice(3, 8), [
    "  Ingress:             ingress.example:443",
    "",
    "  No endpoints discovered yet.",
    "  See: ngrokctl list",
    "",
  ]);
});

Deno.test("renderStatus() ends with all problems and their next steps", () => {
  const text = lines({
    active_count: 2,
    warnings: ["2 endpoints share their addresses"],
    api: { ...STATUS.api, state: "key_refused", error: "The key was refused", hint: "Set another" },
    failed_count: 0,
    ingress: { ...STATUS.ingress, state: "failing", error: "untrusted", step: "tls" },
    trust: { ...STATUS.trust, sources: [], problems: ["bad.pem is no certificate"] },
    names: { driver: "hosts_file", state: "failing", reason: "no END marker" },
    addresses: { driver: "loopback", kind: null, subnet: "127.0.0.0/8", reason: "conflict", hint: null },
    health: { address: "127.0.0.1:8081", error: "address is in use" },
    state_error: "the disk is full",
    problems: ["ip_mappings.json was damaged"],
    config: {
      path: "c.yml",
      state: "rejected",
      problems: ["net.start_port: x"],
      warnings: ["apii: unknown"],
    },
    certificate: null,
  });
  assert.ok(text.includes("  Certificate:         none"));
  assert.ok(text.includes("  Trust:               built-in roots"));
  assert.deepEqual(text.slice(-17), [
    "",
    "  ⚠ Endpoints: 2 endpoints share their addresses",
    "    See the names: ngrokctl list",
    "  ⚠ API: The key was refused",
    "    Set another",
    "  ⚠ Certificate: there is none",
    "  ⚠ Ingress: untrusted",
    "  ⚠ Trust: bad.pem is no certificate",
    "  ⚠ Names: no END marker",
    "  ⚠ Addresses: conflict",
    "  ⚠ Health: address is in use",
    "  ⚠ State: the disk is full",
    "  ⚠ State: ip_mappings.json was damaged",
    "  ⚠ Config: net.start_port: x",
    "  ⚠ Config warning: apii: unknown",
    "",
    "",
  ]);
});

Deno.test("renderStatus() shows days and durations in their largest units", () => {
  const field = (label: string, changes: Partial<StatusReport>) =>
    lines(changes).find((line) => line.startsWith(`  ${label}:`))?.slice(23);
  const certificate = (hoursLeft: number) => {
    const not_after = new Date(Date.now() + hoursLeft * 3_600_000 + 30_000).toISOString();
    const days_left = Math.floor(hoursLeft / 24);
    return field("Certificate", { certificate: { ...STATUS.certificate!, days_left, not_after } });
  };
  assert.match(certificate(49) ?? "", /^2 days left/);
  assert.match(certificate(23) ?? "", /^23 hours left/);
  assert.match(certificate(0.5) ?? "", /^30 min left/);
  assert.match(certificate(-1) ?? "", /^expired/);
  assert.equal(
    field("Ingress state", { ingress: { ...STATUS.ingress, state: "unknown" } }),
    "not used yet",
  );
  const up = (uptime_seconds: number) => field("Version", { uptime_seconds });
  assert.equal(up(0.4), "0.4.0, up 0s");
  assert.equal(up(60), "0.4.0, up 1m 0s");
  assert.equal(up(3 * 86_400 + 59), "0.4.0, up 3d 0h");
});

Deno.test("renderStatus() says when a failed renewal is repeated", () => {
  for (
    const [next_renewal, retry] of [
      ["2026-09-30T12:00:00Z", "ngrokd retries at 2026-09-30T12:00:00Z"],
      [null, "ngrokd retries automatically"],
    ] as const
  ) {
    const certificate = { ...STATUS.certificate!, next_renewal, error: "Cannot renew the certificate: x" };
    assert.deepEqual(lines({ certificate, active_count: 2 }).slice(-4), [
      "  ⚠ Certificate: Cannot renew the certificate: x",
      `    ${retry}; to retry now: ngrokctl refresh-cert --force`,
      "",
      "",
    ]);
  }
});

Deno.test("renderStatus() warns only if there is no resolver, not about a second choice", () => {
  const dns = (driver: string, target: string, changes: Partial<StatusReport["dns"]> = {}) =>
    lines({
      active_count: 2,
      dns: {
        ...STATUS.dns,
        resolver: { driver, target, reason: "Cannot use it: it is not there", hint: "Do this" },
        ...changes,
      },
    }).filter((line) => /DNS|Resolver|Do this/.test(line));
  assert.deepEqual(dns("resolv_conf", "/etc/resolv.conf"), [
    "  DNS:                 ok, 2 names on 127.0.0.1:53",
    "  Resolver:            /etc/resolv.conf (Cannot use it: it is not there)",
  ]);
  assert.deepEqual(dns("none", ""), [
    "  DNS:                 ok, 2 names on 127.0.0.1:53",
    "  Resolver:            none: this machine does not query ngrokd",
    "  ⚠ Resolver: Cannot use it: it is not there",
    "    Do this",
  ]);
  const resolver = { driver: "none", target: "", reason: null, hint: null };
  assert.deepEqual(dns("", "", { state: "off", addresses: [], resolver }), [
    "  DNS:                 off (no endpoint needs it)",
  ]);
});

Deno.test("renderStatus() shows control characters of foreign texts instead of sending them", () => {
  const text = renderStatus({ ...STATUS, operator_id: "a\x1b[2J\nb", ingress_endpoint: "\u202eevil" });
  assert.ok(text.includes("  Operator ID:         a\\u001b[2J\\u000ab\n"));
  assert.ok(text.includes("\\u202eevil"));
});
