import assert from "node:assert/strict";
import type { HealthReport } from "../../src/model/report.ts";
import { answerHealth } from "../../src/web/health.ts";

const REPORT: HealthReport = {
  verdict: "down",
  summary: "down: no list of endpoints yet",
  healthy: true,
  ready: false,
  list: "none",
  has_endpoints: false,
  api: { state: "ok", last_poll: "2026-08-01T10:00:00Z", poll_age_seconds: 12, error: null },
  certificate: null,
  reasons: ["The first poll has not finished"],
  uptime: "1.5s",
  start_time: "2026-08-01T10:00:00.123Z",
  endpoints: {},
};

function ask(path: string, options: Partial<HealthReport> & { json?: boolean } = {}) {
  const { json = false, ...changes } = options;
  const { status, contentType, body } = answerHealth({ path, json, report: { ...REPORT, ...changes } });
  return [status, body, contentType];
}

Deno.test("answerHealth() calls a daemon without endpoints healthy", () => {
  for (const path of ["/health", "/healthz"]) {
    assert.deepEqual(ask(path), [200, "healthy\n", "text/plain; charset=utf-8"]);
    assert.deepEqual(ask(path, { healthy: false }), [503, "unhealthy\n", "text/plain; charset=utf-8"]);
  }
});

Deno.test("answerHealth() distinguishes readiness from liveness", () => {
  for (const path of ["/ready", "/readyz"]) {
    assert.deepEqual(ask(path), [503, "not ready\n", "text/plain; charset=utf-8"]);
    assert.deepEqual(ask(path, { ready: true }), [200, "ready\n", "text/plain; charset=utf-8"]);
  }
});

Deno.test("answerHealth() adds the reasons for a client that asks for JSON", () => {
  const [status, body, type] = ask("/ready", { json: true });
  assert.deepEqual([status, type], [503, "application/json"]);
  assert.deepEqual(JSON.parse(String(body)), {
    status: "not ready",
    verdict: "down",
    summary: REPORT.summary,
    reasons: REPORT.reasons,
  });
  assert.equal(ask("/health", { json: true })[0], 200);
});

Deno.test("answerHealth() returns the whole report for /status, always with 200", () => {
  const [status, body, type] = ask("/status", { healthy: false });
  assert.deepEqual([status, type], [200, "application/json"]);
  assert.deepEqual(JSON.parse(String(body)), { ...REPORT, healthy: false });
});

Deno.test("answerHealth() lists its paths in a 404", () => {
  for (const path of ["/", "/health/", "/STATUS", "/statusx"]) {
    const [status, body] = ask(path);
    assert.equal(status, 404);
    assert.match(String(body), /^not found\n\n\/health\n/);
  }
});
