import assert from "node:assert/strict";
import { ApiError } from "../../../src/model/errors.ts";
import { connectLocal } from "../../../src/system/local_socket.ts";
import type { HttpRequest } from "../../../src/system/http.ts";
import { startFakeDaemon } from "../fake_daemon.ts";
import { runFake } from "../fake_io.ts";
import { STATUS } from "../reports.ts";

const CA = {
  subject: "CN=Intermediate CA",
  issuer: "CN=Root CA",
  sha256: "AB:CD",
  valid_until: "2032-08-28T14:59:48.000Z",
  days_left: 2100,
  source: "learnt",
  file: "/etc/ngrokd/ingress_ca.pem",
};
const SHOWN = {
  ...STATUS.trust,
  schema: 1,
  mode: "learnt",
  cas: [CA],
  listed: ["AB:CD"],
  presented: {
    target: "ingress.example:443",
    at: "2026-08-01T10:00:00.000Z",
    problems: ["expired on 2026-07-01T00:00:00Z"],
    certificates: [{ ...CA, sha256: "12:34", source: null, file: null, trusted: false }],
  },
};

Deno.test("ngrokctl trust show prints the fingerprints, their sources, and the problems", async () => {
  await using daemon = await startFakeDaemon({ trust: SHOWN });
  const { code, out } = await runFake(["--socket", daemon.path, "trust", "show"], { connect: connectLocal });
  assert.equal(code, 0);
  for (
    const text of ["In use: learnt CA", "(/etc/ngrokd/ingress_ca.pem)", "AB:CD", "12:34", "2100 days left"]
  ) {
    assert.ok(out.includes(text), text);
  }
  assert.match(out, /⚠ The certificate expired on 2026-07-01/);
});

Deno.test("ngrokctl trust fetch downloads the CA without a header and sends it to the daemon", async () => {
  await using daemon = await startFakeDaemon({ trust: "CA saved" });
  const asked: HttpRequest[] = [];
  const { code, out } = await runFake(["--socket", daemon.path, "trust", "fetch"], {
    connect: connectLocal,
    sendHttp(request) {
      asked.push(request);
      return Promise.resolve({ status: 200, headers: new Headers(), body: "PEM" });
    },
  });
  assert.deepEqual([code, out], [0, "✓ CA saved\n"]);
  assert.deepEqual(asked.map(({ headers, url }) => [headers, new URL(url).host]), [[
    {},
    "raw.githubusercontent.com",
  ]]);
  assert.deepEqual(daemon.asked, [{ command: "trust", args: ["save", "PEM"] }]);
});

Deno.test("ngrokctl trust fetch --file - reads standard input; other files are refused", async () => {
  await using daemon = await startFakeDaemon({ trust: "CA saved" });
  const effects = { connect: connectLocal, readStdin: () => Promise.resolve("PEM") };
  assert.equal((await runFake(["--socket", daemon.path, "trust", "fetch", "--file", "-"], effects)).code, 0);
  assert.deepEqual(daemon.asked[0]!.args, ["save", "PEM"]);
  for (const [file, word] of [["/x", "/x"], ["it's a.crt", "'it'\\''s a.crt'"]] as const) {
    assert.deepEqual(await runFake(["--socket", daemon.path, "trust", "fetch", "--file", file], effects), {
      code: 2,
      out: "",
      err: `Error: Cannot read ${file}: ngrokctl runs without the permission to open files\n` +
        `Let the shell open the file: ngrokctl trust fetch --file - < ${word}\n`,
    });
  }
  assert.equal(daemon.asked.length, 1);
});

Deno.test("ngrokctl trust fetch suggests another machine if the download fails", async () => {
  await using daemon = await startFakeDaemon({ trust: "CA saved" });
  const host = "https://raw.githubusercontent.com";
  const failures = [
    [0, "unreachable", `Cannot reach ${host}: the name does not resolve`],
    [0, "timeout", `Cannot get a response from ${host}: no response within 15 s`],
    [200, "too_large", `Cannot use the response of ${host}: it is larger than 32768 bytes`],
  ] as const;
  for (const [status, code, message] of failures) {
    const ran = await runFake(["--socket", daemon.path, "trust", "fetch"], {
      connect: connectLocal,
      sendHttp: () => Promise.reject(new ApiError(message, { status, code })),
    });
    assert.deepEqual(ran, {
      code: 1,
      out: "",
      err:
        `Error: ${message}\nDownload it on another machine, then: ngrokctl trust fetch --file - < ngrok-ca.crt\n`,
    });
  }
  for (const status of [302, 404]) {
    const headers = new Headers({ Location: "https://evil.example" });
    const ran = await runFake(["--socket", daemon.path, "trust", "fetch"], {
      connect: connectLocal,
      sendHttp: () => Promise.resolve({ status, headers, body: "" }),
    });
    assert.equal(ran.code, 1);
    assert.match(
      ran.err,
      new RegExp(`HTTP status ${status}\\nDownload it on another machine, then: ngrokctl`),
    );
  }
  assert.equal(daemon.asked.length, 0);
});

Deno.test("ngrokctl trust show says why the last probe of the ingress failed", async () => {
  const look_error = "Cannot read the certificates of ingress.example:443: no response within 5 s";
  const report = { ...SHOWN, mode: "none", presented: null, look_error };
  await using daemon = await startFakeDaemon({ trust: report });
  const show = ["--socket", daemon.path, "trust", "show"];
  const { code, out } = await runFake(show, { connect: connectLocal });
  assert.equal(code, 0);
  assert.ok(out.includes(`⚠ The last probe of the ingress failed: ${look_error}\n`), out);
  assert.ok(!out.includes("not known yet"), out);
  const { out: json } = await runFake([...show, "--json"], { connect: connectLocal });
  assert.deepEqual(JSON.parse(json), report);
  await using unknown = await startFakeDaemon({ trust: { ...report, look_error: null } });
  const none = await runFake(["--socket", unknown.path, "trust", "show"], { connect: connectLocal });
  assert.match(none.out, /^The certificates of the ingress are not known yet\.$/m);
  await using both = await startFakeDaemon({ trust: { ...SHOWN, look_error } });
  const shown = await runFake(["--socket", both.path, "trust", "show"], { connect: connectLocal });
  assert.match(shown.out, /failed: Cannot read .*\nPresented by ingress\.example:443 at 2026-08-01T10:00:00/);
});
