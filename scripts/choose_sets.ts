// Prints the permission flags of the shipped sets that the daemon needs with its configuration, on
// one line. `daemon.sh` runs it.
import { dirname } from "node:path";
import { type Config, DEFAULTS } from "../src/config/config.ts";
import { serverCapabilities } from "../src/config/dns_server_need.ts";
import { dnsKey } from "../src/config/dns_need.ts";
import { loadConfig } from "../src/config/load.ts";
import { type DaemonArguments, parseArguments } from "../src/daemon/arguments.ts";
import { chooseUpstreams, UPLINK } from "../src/dns/choose_upstreams.ts";
import { isLoopbackSubnet } from "../src/lib/ipv4.ts";
import { statePathsIn } from "../src/model/state_files.ts";
import { RESOLV_CONF } from "../src/names/select.ts";
import { operatingSystem } from "../src/system/environment.ts";
import { readText } from "../src/system/files.ts";
import { flagFor } from "../src/system/permissions.ts";
import { writeOut } from "../src/system/terminal.ts";
import { flagsOfSet, permissionFlags } from "./permission_flags.ts";

/**
 * Returns the flags that make the set `ngrokd` into what this configuration needs: `ngrokd_dns` if
 * this machine is to use the DNS server, and neither `ip` nor `nft` without an interface of ours.
 */
export function chosenFlags(config: Config, options: ChooseOptions): string[] {
  const { os, action, endpoints, journal } = options;
  // A clean-up looks for what an earlier configuration needed, although its journal is lost.
  const isCleanUp = action === "cleanup";
  const hasDns = isCleanUp || dnsKey(config) !== undefined || /:\/\/\*\./.test(endpoints) ||
    /"resolv_conf"|"resolver_dir"/.test(journal);
  const hasInterface = isCleanUp || !isLoopbackSubnet(config.net.subnet) ||
    /"addresses"|"redirects"/.test(journal);
  return [
    ...(hasDns ? flagsOfSet("ngrokd_dns") : []),
    ...(hasDns && os === "darwin" ? flagsOfSet("ngrokd_dns_macos") : []),
    ...(hasInterface ? [] : ["--deny-run=/sbin/ip", "--deny-run=/usr/sbin/nft"]),
    ...(isCleanUp ? [] : ipv6ServerFlags(config, options)),
  ];
}

/** The flags for the IPv6 DNS servers of this machine: each needs a permission of its own. */
function ipv6ServerFlags({ dns }: Config, { resolvConf, uplink }: ChooseOptions): string[] {
  const { servers } = chooseUpstreams({
    configured: dns.upstream,
    resolvConf,
    uplink,
    own: [],
    holds: () => true,
  });
  const ipv6 = servers.filter((server) => server.startsWith("["));
  return [...new Set(ipv6.flatMap(serverCapabilities).map(flagFor))];
}

/** Options of {@linkcode chosenFlags}. */
export interface ChooseOptions {
  readonly os: string;
  readonly action: DaemonArguments["action"];
  /** The content of the file of the last known endpoints; empty if there is none. */
  readonly endpoints: string;
  /** The content of the journal; empty if there is none. */
  readonly journal: string;
  /** The contents of /etc/resolv.conf and of that of systemd-resolved; empty if missing. */
  readonly resolvConf: string;
  readonly uplink: string;
}

/**
 * Returns the flags for the daemon with these arguments.
 *
 * @throws {Error} As `loadConfig()`, but not for a clean-up, which uses the defaults then.
 */
export async function flagsForArguments(args: readonly string[]): Promise<string[]> {
  const asked = parseArguments(args);
  if (!("configPath" in asked)) return [];
  return await flagsForConfig(await loadOrDefaults(asked), asked);
}

/** Returns the flags for the daemon with this configuration and action. */
export async function flagsForConfig(config: Config, asked: Pick<Asked, "action">): Promise<string[]> {
  const { endpoints, journal } = statePathsIn(dirname(config.server.clientCert));
  return chosenFlags(config, {
    os: operatingSystem(),
    action: asked.action,
    endpoints: await textOrNone(endpoints),
    journal: await textOrNone(journal),
    resolvConf: await textOrNone(RESOLV_CONF),
    uplink: await textOrNone(UPLINK),
  });
}

async function loadOrDefaults({ action, configPath }: Asked): Promise<Config> {
  try {
    return (await loadConfig(configPath, { readText })).config;
  } catch (error) {
    if (action !== "cleanup") throw error;
    return DEFAULTS;
  }
}

type Asked = Extract<DaemonArguments, { readonly configPath: string }>;

/** The daemon reports a file that cannot be read. */
async function textOrNone(path: string): Promise<string> {
  return await readText(path).catch(() => "");
}

if (import.meta.main) {
  // The daemon reports a configuration that cannot be loaded, in its own words.
  const chosen = await flagsForArguments(Deno.args).catch(() => []);
  writeOut(`${permissionFlags("ngrokd", chosen).join(" ")}\n`);
}
