// Why scripts/start.sh removes variables: what each does to a program that only `deno run` starts.
import assert from "node:assert/strict";
import { HOSTILE_ENVIRONMENTS } from "../../scripts/hostile/environments.ts";
import { CertificateAuthority } from "../../sim/cloud/certificate_authority.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

/** Connects with TLS by both clients of the runtime, runs `ip`, makes a directory, and logs. */
const PROBE = `
  import tls from "node:tls";
  const port = Number(Deno.args[0]);
  const seen = [];
  const attempt = (name, work) => work().then(() => seen.push(name), () => seen.push("not " + name));
  await attempt("trusts", async () => {
    using conn = await Deno.connectTls({ hostname: "localhost", port });
    await conn.handshake();
  });
  await attempt("connects by node:tls", () => new Promise((resolve, reject) => {
    const socket = tls.connect({ host: "localhost", port, servername: "localhost" }, () => {
      socket.destroy();
      resolve();
    });
    socket.on("error", reject);
  }));
  await attempt("ran ip", () => new Deno.Command("ip", { args: ["-V"] }).output());
  await attempt("made a directory", () => Deno.makeTempDir());
  console.log(seen.join(", "));
`;

/** The text that appears, or the beginning of the name of a new file, by the variable. */
const EVIDENCE: Readonly<Record<string, { readonly prints: RegExp } | { readonly makes: string }>> = {
  "SSLKEYLOGFILE": { makes: "keys" },
  "DENO_CERT": { prints: /^trusts/m },
  "NODE_EXTRA_CA_CERTS": { prints: /^trusts/m },
  "DENO_TLS_CA_STORE": { prints: /^trusts/m },
  "NODE_TLS_REJECT_UNAUTHORIZED": { prints: /, connects by node:tls/ },
  "NODE_OPTIONS=--require": { prints: /^foreign code/m },
  "NODE_OPTIONS=--inspect": { prints: /ws:\/\/127\.0\.0\.1:/ },
  "OTEL_DENO": { makes: "collected" },
  "DENO_V8_FLAGS": { makes: "isolate" },
  "DENO_COVERAGE_DIR": { makes: "coverage" },
  "DENO_AUDIT_PERMISSIONS": { makes: "audit" },
  "LD_PRELOAD": { prints: /code\.so' from LD_PRELOAD cannot be preloaded/ },
  "LD_AUDIT": { prints: /code\.so' cannot be loaded as audit interface/ },
  "LD_LIBRARY_PATH": { prints: /\/libc\.so\.6: / },
  "DENO_PERMISSION_BROKER_PATH": { makes: "connected" },
  "DENO_UNSTABLE_CONTROL_SOCK": { prints: /Failure from control sock: invalid control sock/ },
  "PATH": { makes: "ran" },
  "TMPDIR": { prints: /not made a directory/ },
};

/** Their consequences concern other programs or settings of the machine. */
const NOT_SHOWN = ["NODE_CHANNEL_FD", "NGROKD_HOSTS_PATH", "HOSTALIASES", "TZ", "DENO_SERVE_ADDRESS"];

/** Answers TLS as `localhost`, collects telemetry, and notes who connects to `socket`. */
async function attackersServers(directory: string) {
  const ca = await CertificateAuthority.create();
  await Deno.writeTextFile(`${directory}/ca.pem`, ca.caPem);
  const tls = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...await ca.issueServer(["localhost"]) });
  const answering = (async () => {
    for await (const conn of tls) await conn.handshake().catch(() => {}).finally(() => conn.close());
  })().catch(() => {});
  const socket = Deno.listen({ transport: "unix", path: `${directory}/socket` });
  const noting = (async () => {
    for await (const conn of socket) {
      await Deno.writeTextFile(`${directory}/connected`, "");
      conn.close();
    }
  })().catch(() => {});
  const collector = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    await request.arrayBuffer();
    await Deno.writeTextFile(`${directory}/collected`, "");
    return new Response();
  });
  return {
    port: tls.addr.port,
    collector: `http://127.0.0.1:${collector.addr.port}`,
    async [Symbol.asyncDispose]() {
      tls.close();
      socket.close();
      await Promise.all([answering, noting, collector.shutdown()]);
    },
  };
}

/** Runs the probe in an environment, and returns what it prints. */
async function probe(directory: string, environment: Readonly<Record<string, string>>): Promise<string> {
  await Deno.mkdir(`${directory}/bin`);
  await Deno.writeTextFile(`${directory}/bin/ip`, `#!/bin/sh\ntouch ${directory}/ran\n`, { mode: 0o755 });
  await Deno.writeTextFile(`${directory}/code.cjs`, `console.log("foreign code");\n`);
  await Deno.writeTextFile(`${directory}/probe.js`, PROBE);
  if ("LD_LIBRARY_PATH" in environment) await Deno.writeTextFile(`${directory}/libc.so.6`, "no library");
  await using servers = await attackersServers(directory);
  const { DENO_DIR, HOME = directory } = Deno.env.toObject();
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "run",
        "--no-prompt",
        "--no-config",
        "--allow-net",
        "--allow-run=ip",
        "--allow-write",
        "--allow-read",
      ],
      ...["--allow-env", `${directory}/probe.js`, String(servers.port)],
    ],
    clearEnv: true,
    env: {
      ...{ PATH: "/usr/bin:/bin:/usr/sbin:/sbin", HOME },
      ...(DENO_DIR === undefined ? {} : { DENO_DIR }),
      SSL_CERT_FILE: `${directory}/ca.pem`,
      OTEL_EXPORTER_OTLP_ENDPOINT: servers.collector,
      ...environment,
    },
  }).output();
  return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
}

/** True if the directory has a file whose name begins so. */
function hasFile(directory: string, beginning: string): boolean {
  return [...Deno.readDirSync(directory)].some(({ name }) => name.startsWith(beginning));
}

Deno.test({
  name: "a program of the runtime obeys each hostile variable as the documentation says",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const wrong: string[] = [];
    for (const variables of [() => ({}), ...HOSTILE_ENVIRONMENTS.map(({ variables }) => variables)]) {
      await using directory = await temporaryDirectory();
      const environment = variables(directory.path);
      const text = Object.entries(environment).map((entry) => entry.join("=")).join();
      if (NOT_SHOWN.some((name) => text.startsWith(`${name}=`))) continue;
      const printed = await probe(directory.path, environment);
      const expected = Object.keys(EVIDENCE).filter((name) => `${text} `.startsWith(name));
      const seen: string[] = [];
      for (const [name, evidence] of Object.entries(EVIDENCE)) {
        const isSeen = "prints" in evidence
          ? evidence.prints.test(printed)
          : hasFile(directory.path, evidence.makes);
        if (isSeen) seen.push(name);
      }
      if (!expected.every((name) => seen.includes(name)) || (text === "" && seen.length > 0)) {
        wrong.push(`${text}: saw ${seen}\n${printed}`);
      }
      if (text !== "" && expected.length !== 1) wrong.push(`${text}: no evidence is known`);
    }
    assert.deepEqual(wrong, []);
  },
});
