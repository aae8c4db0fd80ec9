// Starts the daemon with the shipped permission sets and the flags that its configuration needs
// beyond them.
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "../src/config/config.ts";
import { loadGuarded } from "../src/config/load.ts";
import { CA_DIRECTORY, ownerSocketPath } from "../src/config/paths.ts";
import { configPermissions } from "../src/config/permissions.ts";
import { PROXY_VARIABLES, proxyFor } from "../src/config/proxy/proxy_for.ts";
import { proxyNeed } from "../src/config/proxy/proxy_url.ts";
import { parseArguments } from "../src/daemon/arguments.ts";
import { hintOf, messageOf } from "../src/model/errors.ts";
import type { Proxy } from "../src/model/proxy.ts";
import { readEnvironment } from "../src/system/environment.ts";
import { checkAncestors, readGuarded } from "../src/system/files.ts";
import { type Capability, flagFor } from "../src/system/permissions.ts";
import { ENDING_SIGNALS, onSignals } from "../src/system/signals.ts";
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { flagsForConfig } from "./choose_sets.ts";
import { capabilities } from "./missing_capabilities.ts";
import { permissionFlags } from "./permission_flags.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const RUN: readonly string[] = [
  "run",
  `--config=${ROOT}deno.json`,
  "--quiet",
  "--no-prompt",
  "--cached-only",
];

/** Settings from the environment that need permissions. */
export interface LaunchSettings {
  readonly configPath: string;
  /** From `NGROKD_HOSTS_PATH`. */
  readonly hostsPath?: string | undefined;
  /** From `NGROK_API_KEY_FILE`. */
  readonly keyPath?: string | undefined;
  /** The proxy for the API, from the configuration or the environment. */
  readonly apiProxy?: Proxy | undefined;
}

/** Returns the capabilities that depend on the configuration. */
export function neededCapabilities(config: Config, settings: LaunchSettings): Capability[] {
  const { configPath, hostsPath, keyPath, apiProxy } = settings;
  // An atomic write needs a temporary file beside the configuration, so its directory is writable.
  const replaced = [
    dirname(configPath),
    ...(hostsPath === undefined ? [] : [hostsPath, `${hostsPath}.ngrokd.tmp`]),
  ];
  return [
    ...replaced.flatMap((path): Capability[] => [{ kind: "read", path }, { kind: "write", path }]),
    ...(keyPath === undefined ? [] : [{ kind: "read", path: keyPath } as const]),
    { kind: "net", host: `unix:${ownerSocketPath(config.server.socketPath)}` },
    ...(apiProxy === undefined ? [] : [proxyNeed(apiProxy).capability]),
    ...configPermissions(config).map(({ capability }) => capability),
  ];
}

/**
 * Returns the arguments for `deno` that run the daemon with the shipped sets and `missing`.
 *
 * @throws {RangeError} If a value holds a comma, because a flag would grant its parts.
 */
export function launchArgv(args: readonly string[], { chosen = [], missing }: LaunchFlags): string[] {
  const unsafe = missing.map(valueOf).find((value) => value.includes(","));
  if (unsafe !== undefined) {
    throw new RangeError(`Cannot grant "${unsafe}": a permission flag cannot hold a comma`);
  }
  return [
    ...RUN,
    // As in daemon.sh.
    "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=30",
    ...permissionFlags("ngrokd", [...chosen, ...missing.map(flagFor)]),
    `${ROOT}main.ts`,
    ...args,
  ];
}

/** Flags of {@linkcode launchArgv}. */
export interface LaunchFlags {
  /** The flags of `chosenFlags()`. @default {[]} */
  readonly chosen?: readonly string[];
  readonly missing: readonly Capability[];
}

function valueOf(capability: Capability): string {
  return capability.kind === "net" ? capability.host : capability.path;
}

/** Returns the permissions that the named configuration needs beyond the set `ngrokd`. */
async function findPermissions(args: readonly string[]): Promise<LaunchFlags> {
  const wanted = parseArguments(args);
  if (!("configPath" in wanted)) return { chosen: [], missing: [] };
  const { config } = await loadGuarded(wanted.configPath, { readGuarded });
  const hostsPath = readEnvironment("NGROKD_HOSTS_PATH");
  const keyPath = readEnvironment("NGROK_API_KEY_FILE");
  // As root, no user may be able to replace one of them.
  for (const path of ownPaths(config, [hostsPath, keyPath])) await checkAncestors(path);
  const needed = neededCapabilities(config, {
    configPath: resolve(wanted.configPath),
    hostsPath,
    keyPath,
    apiProxy: proxyFor(config.api.url, {
      configured: config.proxy,
      environment: Object.fromEntries(PROXY_VARIABLES.map((name) => [name, readEnvironment(name)])),
    }).proxy,
  });
  const unique = [...new Map(needed.map((entry) => [JSON.stringify(entry), entry])).values()];
  return { chosen: await flagsForConfig(config, wanted), missing: await askShippedSet(unique) };
}

/**
 * Returns the path of each file of the daemon, and of the directory of CAs. The permission set of
 * the daemon does not show most of the directories above them.
 */
export function ownPaths(config: Config, more: readonly (string | undefined)[]): string[] {
  const { clientCert, clientKey, ingressCa, socketPath } = config.server;
  return [clientCert, clientKey, ingressCa, socketPath, CA_DIRECTORY, ...more]
    .filter((path) => path !== undefined && path !== "") as string[];
}

/** Starts a process with the shipped set and asks it which of the capabilities it lacks. */
async function askShippedSet(needed: readonly Capability[]): Promise<Capability[]> {
  const script = `${ROOT}scripts/missing_capabilities.ts`;
  const args = [...RUN, ...permissionFlags("ngrokd", []), "--quiet", script, JSON.stringify(needed)];
  const { success, stdout, stderr } = await new Deno.Command("deno", { args }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot read the shipped permission set: ${decoder.decode(stderr).trim()}`);
  return capabilities.parse(JSON.parse(decoder.decode(stdout)));
}

async function main(args: readonly string[]): Promise<number> {
  let argv: string[];
  try {
    const permissions = await findPermissions(args);
    argv = launchArgv(args, permissions);
    for (const capability of permissions.missing) {
      writeOut(`Added permission: ${capability.kind} ${valueOf(capability)}\n`);
    }
  } catch (error) {
    const hint = hintOf(error);
    writeErr(`Error: ${messageOf(error)}\n${hint === undefined ? "" : `${hint}\n`}`);
    return 1;
  }
  // The daemon has its own process group, so that Ctrl-C reaches it once, through this process.
  const child = new Deno.Command("deno", { args: argv, detached: true }).spawn();
  using _signals = onSignals(["SIGHUP", "SIGPROF", ...ENDING_SIGNALS], (name) => {
    // The profiler of the runtime sends SIGPROF, which would end this process alone.
    if (name !== "SIGPROF") child.kill(name);
  });
  return (await child.status).code;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
