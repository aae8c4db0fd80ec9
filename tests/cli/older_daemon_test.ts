import assert from "node:assert/strict";
import { connectLocal } from "../../src/system/local_socket.ts";
import { startFakeDaemon } from "./fake_daemon.ts";
import { type Ran, runFake } from "./fake_io.ts";
import { HEALTH, STATUS } from "./reports.ts";

// As an early 0.4.0 answered: written out, so that a field that becomes required shows here.
const OLD_STATUS = {
  schema: 1,
  version: "0.4.0",
  registered: true,
  operator_id: "k8sop_1",
  endpoint_count: 2,
  active_count: 2,
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
    days_left: 89,
  },
  ingress: { state: "ok", error: null, hint: null },
  trust: { sources: ["/etc/ngrokd/ca.pem"], problems: [] },
  config: { path: "/etc/ngrokd/config.yml", state: "ok", problems: [], warnings: [] },
  names: { driver: "hosts_file", state: "ok", reason: null },
  addresses: { driver: "loopback", subnet: "127.0.0.0/8", reason: null },
  dns: {
    state: "off",
    names: 0,
    addresses: [],
    upstreams: [],
    resolver: { driver: "none", target: "", reason: null, hint: null },
  },
  health: { address: "127.0.0.1:8081", error: null },
  state_error: null,
  problems: [],
  start_time: "2026-08-01T09:00:00Z",
  uptime_seconds: 3_725,
};

async function against(answers: Record<string, unknown>, argv: readonly string[]): Promise<Ran> {
  await using daemon = await startFakeDaemon(answers);
  return await runFake(["--socket", daemon.path, ...argv], { connect: connectLocal });
}

Deno.test("ngrokctl status understands an older daemon that still runs during an upgrade, and makes nothing up", async () => {
  const { code, out, err } = await against({ status: OLD_STATUS }, ["status"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^ {2}API: {17}ok \(https:\/\/api\.ngrok\.com, last poll 2026-08-01T10:00:00Z\)$/m);
  assert.match(out, /^ {2}Certificate: {9}89 days left \(until 2026-10-30T00:00:00Z\)$/m);
  assert.match(out, /^ {2}Addresses: {11}loopback \(127\.0\.0\.0\/8\)$/m);
  // "none verifies yet" would be a false alarm.
  assert.ok(!/Trust mode|Proxy|undefined|null|⚠/.test(out), out);
});

Deno.test("ngrokctl status --json of an older daemon has null for what it does not say", async () => {
  const { code, out } = await against({ status: OLD_STATUS }, ["status", "--json"]);
  assert.equal(code, 0);
  const { api, proxy, certificate, trust } = JSON.parse(out);
  assert.deepEqual([api.notice, api.poll_age_seconds], [null, null]);
  assert.deepEqual(proxy, { api: null, ingress: null, notes: [] });
  assert.deepEqual([certificate.last_renewal, certificate.error, certificate.warning], [null, null, null]);
  assert.deepEqual(trust, { ...OLD_STATUS.trust, warnings: [], look_error: null });
});

Deno.test("ngrokctl status understands the one proxy that a daemon named before there were two", async () => {
  const one = { url: "http://proxy.example:3128", source: "config" };
  for (const [proxy, lines] of [[null, 0], [one, 2]] as const) {
    const { code, out } = await against({ status: { ...OLD_STATUS, proxy } }, ["status"]);
    assert.equal(code, 0);
    assert.equal(out.match(/proxy: .*http:\/\/proxy\.example:3128 \(config\)$/gm)?.length ?? 0, lines, out);
  }
  const wrong = await against({ status: { ...OLD_STATUS, proxy: { url: 1 } } }, ["status"]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /at proxy\n/);
});

Deno.test("ngrokctl health shows the report of an older daemon as it is", async () => {
  const { api: _api, certificate: _certificate, ...older } = HEALTH;
  const { code, out } = await against({ health: older }, ["health", "--json"]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), { schema: 1, ...older });
});

Deno.test("ngrokctl passes on fields of a newer daemon that it does not know, at every depth", async () => {
  const newer = { ...STATUS, later: 1, api: { ...STATUS.api, later: { x: [2] } } };
  const { code, out } = await against({ status: newer }, ["status", "--json"]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), newer);
  assert.equal((await against({ status: newer }, ["status"])).code, 0);
});
