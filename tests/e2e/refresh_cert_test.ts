import assert from "node:assert/strict";
import type { HealthReport } from "../../src/model/report.ts";
import { Stage } from "../../sim/stage.ts";

const TIME = "20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z";
const RENEWED = new RegExp(`^✓ Certificate renewed, valid until ${TIME}\n$`);
const NOT_DUE = new RegExp(
  `^✓ Certificate not due until ${TIME}, valid until ${TIME}; renew it now with --force\n$`,
);

Deno.test("ngrokctl refresh-cert reports renewed, not due and failed by text, JSON and exit code", async () => {
  await using stage = await Stage.open();
  stage.startDaemon();
  await stage.until("it is registered", async () => (await stage.askStatus()).certificate !== null);
  const serial = async () => (await stage.askStatus()).certificate!.serial;
  const first = await serial();

  const soft = await stage.ctl(["refresh-cert"]);
  assert.deepEqual([soft.code, soft.stderr], [0, ""]);
  assert.match(soft.stdout, NOT_DUE);
  assert.equal(await serial(), first);

  const forced = await stage.ctl(["refresh-cert", "--force"]);
  assert.deepEqual([forced.code, forced.stderr], [0, ""]);
  assert.match(forced.stdout, RENEWED);
  const second = await serial();
  assert.notEqual(second, first);
  const json = await stage.ctl(["refresh-cert", "--json"]);
  assert.equal(json.code, 0);
  assert.match(JSON.parse(json.stdout).message, /^Certificate not due until /);

  const before = await Deno.readTextFile(`${stage.etc}/tls.crt`);
  const failures = [
    [
      { kind: "error", status: 500 },
      /^Error: Cannot renew the certificate: .* answered 500.*\n.*status\.ngrok\.com.*\n$/,
    ],
    [
      { kind: "wrong_key_certificate" },
      /^Error: Cannot use the new certificate: it does not match the private key\nThe old one stays in use.*\n$/,
    ],
    [
      { kind: "error", status: 401 },
      /^Error: Cannot renew the certificate: .* answered 401.*\n.*ngrokctl set-api-key.*\n$/,
    ],
  ] as const;
  for (const [fault, message] of failures) {
    stage.cloud.faults.set({ ...fault, route: "operators.update", times: 1 });
    const { code, stdout, stderr } = await stage.ctl(["refresh-cert", "--force"]);
    assert.deepEqual([code, stdout], [1, ""], stderr);
    assert.match(stderr, message);
    assert.equal(await serial(), second);
    assert.equal(await Deno.readTextFile(`${stage.etc}/tls.crt`), before);
  }
  stage.cloud.faults.set({ kind: "error", status: 500, route: "operators.update", times: 1 });
  const failed = await stage.ctl(["refresh-cert", "--force", "--json"]);
  assert.deepEqual([failed.code, failed.stdout], [1, ""]);
  assert.match(JSON.parse(failed.stderr).error.message, /answered 500/);
  // The log once gave the end of a back-off, which matters only if the certificate is due.
  const { next_renewal } = (await stage.askStatus()).certificate!;
  const logged = stage.log.filter((line) => line.includes('Cannot renew the certificate error="Cannot '));
  assert.equal(logged.length, failures.length + 1);
  assert.ok(logged.every((line) => line.includes(` next_try="${next_renewal}"`)), logged.join("\n"));
  const { stdout: status } = await stage.ctl(["status"]);
  assert.doesNotMatch(status, /⚠ Certificate/, "a renewal that was not due has not failed");
  await stage.cloud.closeApi();
  const unreachable = await stage.ctl(["refresh-cert", "--force"]);
  assert.equal(unreachable.code, 1);
  assert.match(unreachable.stderr, /^Error: Cannot reach .*\n.+\n$/);
  await stage.cloud.openApi();
});

Deno.test("ngrokctl refresh-cert renews a due certificate without --force, and fails if there is none", async () => {
  await using stage = await Stage.open({ apiKey: "" });
  stage.startDaemon();
  await stage.until("it waits for a key", async () => (await stage.askStatus()).api.state === "no_key");
  const early = await stage.ctl(["refresh-cert"]);
  assert.deepEqual([early.code, early.stdout], [1, ""]);
  assert.match(early.stderr, /^Error: daemon not registered - set API key first\n/);
  // The certificate expires in seconds, and the daemon's own attempts to renew it fail.
  stage.cloud.setCertificateLifetime(3_000);
  stage.cloud.faults.set({ kind: "error", status: 503, route: "operators.update" });
  assert.equal((await stage.ctl(["set-api-key", "-"], `${stage.cloud.apiKey}\n`)).code, 0);
  await stage.until(
    "the daemon's own attempt failed",
    async () => (await stage.askStatus()).certificate!.error !== null,
  );
  const { stdout: status } = await stage.ctl(["status"]);
  assert.match(status, /⚠ Certificate: Cannot renew the certificate: .* answered 503/);
  assert.match(status, /⚠ Certificate: (Renewal overdue since|It expired on) 20/);
  const { healthy, reasons } = await stage.ask("health") as HealthReport;
  assert.equal(healthy, true);
  assert.match(reasons.join("\n"), /^Certificate: Cannot renew .*\nCertificate: It (is overdue|expired)/m);
  stage.cloud.setCertificateLifetime(90 * 86_400_000);
  stage.cloud.faults.clear();
  const due = await stage.ctl(["refresh-cert"]);
  assert.equal(due.code, 0, due.stderr);
  assert.match(due.stdout, RENEWED);
  assert.doesNotMatch((await stage.ctl(["status"])).stdout, /⚠ Certificate/);
});
