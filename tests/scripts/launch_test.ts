import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { launchArgv, neededCapabilities } from "../../scripts/launch.ts";
import { DEFAULTS } from "../../src/config/config.ts";
import { proxyFor } from "../../src/config/proxy/proxy_for.ts";
import type { Capability } from "../../src/system/permissions.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("launchArgv() starts the daemon with the shipped set alone where nothing is missing", () => {
  const argv = launchArgv(["run", "--config", "/etc/ngrokd/config.yml"], []);
  assert.deepEqual(argv, [
    "run",
    `--config=${ROOT}deno.json`,
    "--no-prompt",
    "-P=ngrokd",
    `${ROOT}main.ts`,
    "run",
    "--config",
    "/etc/ngrokd/config.yml",
  ]);
});

Deno.test("launchArgv() adds what is missing, of each kind in one flag, before the program", () => {
  const argv = launchArgv(["-v"], [
    { kind: "net", host: "api.example.com:443" },
    { kind: "read", path: "/srv/state" },
    { kind: "read", path: "/srv/ca.pem" },
  ]);
  const flags = argv.filter((argument) => argument.startsWith("--allow-"));
  assert.equal(flags.length, 2);
  assert.match(flags.find((flag) => flag.startsWith("--allow-read="))!, /,\/srv\/state,\/srv\/ca\.pem$/);
  assert.match(flags.find((flag) => flag.startsWith("--allow-net="))!, /,api\.example\.com:443$/);
  assert.deepEqual(argv.slice(-2), [`${ROOT}main.ts`, "-v"]);
});

Deno.test("launchArgv() refuses a path with a comma, which would grant its parts", () => {
  assert.throws(() => launchArgv([], [{ kind: "write", path: "/srv/a,/" }]), RangeError);
});

Deno.test("neededCapabilities() holds the files that the environment and the command line name", () => {
  const needed = neededCapabilities(DEFAULTS, {
    configPath: "/srv/conf/ngrokd.yml",
    hostsPath: "/srv/hosts",
    keyPath: "/srv/secret",
  });
  for (
    const expected of [
      { kind: "read", path: "/srv/conf" },
      { kind: "write", path: "/srv/conf" },
      { kind: "read", path: "/srv/hosts" },
      { kind: "write", path: "/srv/hosts" },
      { kind: "write", path: "/srv/hosts.ngrokd.tmp" },
      { kind: "read", path: "/srv/secret" },
      { kind: "net", host: "api.ngrok.com:443" },
    ]
  ) {
    assert.ok(
      needed.some((capability) => JSON.stringify(capability) === JSON.stringify(expected)),
      JSON.stringify(expected),
    );
  }
  assert.ok(!needed.some((capability) => capability.kind === "write" && capability.path === "/srv/secret"));
});

Deno.test("neededCapabilities() holds the proxy for the API, of which no secret comes into a command line", () => {
  const environment = { HTTPS_PROXY: "http://user:topsecret@proxy.example:3128" };
  const { proxy: apiProxy } = proxyFor(DEFAULTS.api.url, { configured: undefined, environment });
  const needed = neededCapabilities(DEFAULTS, { configPath: "/etc/ngrokd/config.yml", apiProxy });
  const argv = launchArgv([], needed).join(" ");
  assert.match(argv, /,proxy\.example:3128( |,)/);
  assert.ok(!argv.includes("topsecret"), argv);
});

/** What a process lacks that is started with the permissions of the daemon of `launchArgv()`. */
async function lackedBy(missing: readonly Capability[], asked: readonly Capability[]): Promise<Capability[]> {
  const script = `${ROOT}scripts/missing_capabilities.ts`;
  const argv = launchArgv([JSON.stringify(asked)], missing).map((argument) =>
    argument === `${ROOT}main.ts` ? script : argument
  );
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: argv }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("a process that launchArgv() starts has the shipped set, what was missing, and nothing else", async () => {
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
  assert.deepEqual(await lackedBy([], asked), [...outside, ...never]);
  assert.deepEqual(await lackedBy(outside, asked), never);
});

Deno.test("the launcher says why it cannot start, with the next step, and exits with 1", async () => {
  const args = [
    "run",
    "-P=scripts",
    "--no-prompt",
    "--quiet",
    "scripts/launch.ts",
    "--config=/nonexistent/ngrokd.yml",
  ];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  assert.equal(code, 1);
  assert.equal(
    new TextDecoder().decode(stderr),
    "Error: Cannot read /nonexistent/ngrokd.yml: it does not exist\n" +
      "Create the file (it may be empty), or name another with --config\n",
  );
});

Deno.test("the launcher hands the daemon's own arguments and exit code through", async () => {
  const args = ["run", "-P=scripts", "--no-prompt", "--quiet", "scripts/launch.ts", "--version"];
  const { code, stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  assert.equal(code, 0);
  assert.match(new TextDecoder().decode(stdout), /^ngrokd version /);
});
