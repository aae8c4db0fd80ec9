import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { launchArgv, neededCapabilities, ownPaths } from "../../scripts/launch.ts";
import { DEFAULTS } from "../../src/config/config.ts";
import { proxyFor } from "../../src/config/proxy/proxy_for.ts";
import { type Capability, flagFor } from "../../src/system/permissions.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("launchArgv() uses only the shipped set if no capability is missing", () => {
  const args = ["run", "--config", "/etc/ngrokd/config.yml"];
  const memory = "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=30";
  const flags = [`--config=${ROOT}deno.json`, "--quiet", "--no-prompt", "--cached-only", memory, "-P=ngrokd"];
  assert.deepEqual(launchArgv(args, { missing: [] }), ["run", ...flags, `${ROOT}main.ts`, ...args]);
});

Deno.test("launchArgv() adds the missing capabilities, one flag for each kind", () => {
  const argv = launchArgv(["-v"], {
    missing: [
      { kind: "net", host: "api.example.com:443" },
      { kind: "read", path: "/srv/state" },
      { kind: "read", path: "/srv/ca.pem" },
    ],
  });
  const flags = argv.filter((argument) => argument.startsWith("--allow-"));
  assert.equal(flags.length, 2);
  assert.match(flags.find((flag) => flag.startsWith("--allow-read="))!, /,\/srv\/state,\/srv\/ca\.pem$/);
  assert.match(flags.find((flag) => flag.startsWith("--allow-net="))!, /,api\.example\.com:443$/);
  assert.deepEqual(argv.slice(-2), [`${ROOT}main.ts`, "-v"]);
});

Deno.test("launchArgv() rejects a path with a comma, because a flag would grant its parts", () => {
  assert.throws(() => launchArgv([], { missing: [{ kind: "write", path: "/srv/a,/" }] }), RangeError);
});

Deno.test("ownPaths() has each file whose directories the launcher checks, and the directory of CAs", () => {
  assert.deepEqual(ownPaths(DEFAULTS, ["/srv/hosts", undefined]), [
    "/etc/ngrokd/tls.crt",
    "/etc/ngrokd/tls.key",
    DEFAULTS.server.socketPath,
    "/etc/ssl/certs/ngrok",
    "/srv/hosts",
  ]);
});

Deno.test("neededCapabilities() contains the files from the environment and the command line", () => {
  const needed = neededCapabilities(DEFAULTS, {
    configPath: "/srv/conf/ngrokd.yml",
    hostsPath: "/srv/hosts",
    keyPath: "/srv/secret",
  });
  const flags = needed.map(flagFor);
  for (const path of ["/srv/conf", "/srv/hosts", "/srv/secret"]) {
    assert.ok(flags.includes(`--allow-read=${path}`));
  }
  for (const path of ["/srv/conf", "/srv/hosts", "/srv/hosts.ngrokd.tmp"]) {
    assert.ok(flags.includes(`--allow-write=${path}`), path);
  }
  assert.ok(flags.includes("--allow-net=api.ngrok.com:443"));
  assert.ok(!flags.includes("--allow-write=/srv/secret"));
});

Deno.test("neededCapabilities() contains the proxy for the API, without its password", () => {
  const environment = { HTTPS_PROXY: "http://user:topsecret@proxy.example:3128" };
  const { proxy: apiProxy } = proxyFor(DEFAULTS.api.url, { configured: undefined, environment });
  const needed = neededCapabilities(DEFAULTS, { configPath: "/etc/ngrokd/config.yml", apiProxy });
  const argv = launchArgv([], { missing: needed }).join(" ");
  assert.match(argv, /,proxy\.example:3128( |,)/);
  assert.ok(!argv.includes("topsecret"), argv);
});

/** Returns the capabilities that a process started by `launchArgv()` lacks. */
async function lackingOf(
  missing: readonly Capability[],
  asked: readonly Capability[],
): Promise<Capability[]> {
  const script = `${ROOT}scripts/missing_capabilities.ts`;
  const argv = launchArgv([JSON.stringify(asked)], { missing }).map((argument) =>
    argument === `${ROOT}main.ts` ? script : argument
  );
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: argv }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("a process of launchArgv() has the shipped set and the missing capabilities only", async () => {
  const inside: Capability[] = [
    { kind: "net", host: "127.0.0.1:8081" },
    { kind: "read", path: "/etc/ngrokd/config.yml" },
  ];
  const outside: Capability[] = [
    { kind: "net", host: "api.example.com:443" },
    { kind: "read", path: "/srv/a" },
  ];
  const never: Capability[] = [
    { kind: "net", host: "other.example.com:443" },
    { kind: "read", path: "/srv/b" },
    { kind: "write", path: "/srv/a" },
  ];
  const asked = [...inside, ...outside, ...never];
  assert.deepEqual(await lackingOf([], asked), [...outside, ...never]);
  assert.deepEqual(await lackingOf(outside, asked), never);
});

async function launch(
  ...words: readonly string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const args = ["run", "-P=scripts", "--no-prompt", "--quiet", "scripts/launch.ts", ...words];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("the launcher prints why it cannot start, with a hint, and exits with 1", async () => {
  const { code, stderr } = await launch("--config=/nonexistent/ngrokd.yml");
  assert.equal(code, 1);
  assert.equal(
    stderr,
    "Error: Cannot read /nonexistent/ngrokd.yml: it does not exist\n" +
      "Create the file (it may be empty), or name another with --config\n",
  );
});

Deno.test({
  name: "the launcher as root refuses the configuration of a user, and one that a user can replace",
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
  async fn() {
    await using directory = await temporaryDirectory();
    const config = `${directory.path}/config.yml`;
    await Deno.writeTextFile(config, "", { mode: 0o600 });
    await Deno.chown(config, 1000, 1000);
    const { code, stderr } = await launch(`--config=${config}`);
    assert.deepEqual([code, stderr], [
      1,
      `Error: Cannot use ${config}: its owner is user 1000\nRun: chown 0 ${config}\n`,
    ]);
    await Deno.chown(config, 0, 0);
    const state = `${directory.path}/home/state`;
    await Deno.mkdir(state, { recursive: true });
    await Deno.chown(`${directory.path}/home`, 1000, 1000);
    await Deno.writeTextFile(config, `server: {client_cert: ${state}/tls.crt}`);
    assert.match((await launch(`--config=${config}`)).stderr, /user 1000 owns the directory .*\/home\n/);
  },
});

Deno.test("the launcher passes on the arguments and the exit code of the daemon", async () => {
  const { code, stdout } = await launch("--version");
  assert.equal(code, 0);
  assert.match(stdout, /^ngrokd version /);
});
