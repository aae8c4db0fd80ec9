import { getLogger } from "@logtape/logtape";
import { type ApiKey, resolveApiKey } from "./api_key.ts";
import type { Config } from "./config.ts";
import { type ConfigDiff, diffConfig } from "./diff.ts";
import { loadConfig } from "./load.ts";
import { checkPermissions } from "./permissions.ts";
import { PROXY_VARIABLES, type ProxyChoice, type ProxyEnvironment, proxyFor } from "./proxy/proxy_for.ts";
import { problemText, validationError } from "./validation_error.ts";
import { ConfigError, hintOf, messageOf } from "../model/errors.ts";
import type { StatusReport } from "../model/report.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import type { System } from "../system/system.ts";

const log = getLogger(["ngrokd", "config"]);

/** A configuration and the API key that goes with it. */
interface Loaded {
  readonly config: Config;
  readonly apiKey: ApiKey;
  readonly apiProxy: ProxyChoice;
  readonly warnings: readonly string[];
}

/** The configuration that runs, and how the file stands: a broken file never replaces a running configuration. */
export class LiveConfig {
  readonly path: string;
  readonly #system: System;
  readonly #proxies: ProxyEnvironment;
  /** What the daemon was started with: keys that need a restart count from it. */
  readonly #atStart: Config;
  #loaded: Loaded;
  #problems: readonly string[] = [];
  #pending: readonly string[] = [];

  constructor(path: string, options: { system: System; proxies: ProxyEnvironment; loaded: Loaded }) {
    this.path = path;
    this.#system = options.system;
    this.#proxies = options.proxies;
    this.#loaded = options.loaded;
    this.#atStart = options.loaded.config;
  }

  /** Reads the file for the first time. @throws {ConfigError} With all problems. @throws {FileError} If it cannot be read. */
  static async open(path: string, system: System): Promise<LiveConfig> {
    const proxies: ProxyEnvironment = Object.fromEntries(
      PROXY_VARIABLES.map((name) => [name, system.takeEnvironment(name)]),
    );
    return new LiveConfig(path, { system, proxies, loaded: await load(path, { system, proxies }) });
  }

  /** For the clean-up, which a broken or lost file must not keep from its work: the defaults stand for it then. */
  static async openOrDefaults(path: string, system: System): Promise<LiveConfig> {
    try {
      return await LiveConfig.open(path, system);
    } catch (error) {
      log.warn("The configuration cannot be used, the defaults stand for it: {problem}", {
        problem: problemTexts(error).join("; "),
      });
      const files = { ...system.files, readText: () => Promise.resolve("") };
      return await LiveConfig.open(path, { ...system, files, readEnvironment: () => undefined });
    }
  }

  get current(): Config {
    return this.#loaded.config;
  }

  get apiKey(): ApiKey {
    return this.#loaded.apiKey;
  }

  /** The way to the API. */
  get apiProxy(): ProxyChoice {
    return this.#loaded.apiProxy;
  }

  /** Reads the file again: what changed, or the problems because of which nothing did. */
  async reload(): Promise<{ readonly change: ConfigDiff } | { readonly problems: readonly string[] }> {
    try {
      const next = await load(this.path, { system: this.#system, proxies: this.#proxies });
      const change = diffConfig(this.#loaded.config, next.config);
      this.#pending = diffConfig(this.#atStart, next.config).needsRestart;
      // The key's file or the environment may have changed where the configuration has not.
      const areas = new Set(change.areas);
      if (next.apiKey.key !== this.#loaded.apiKey.key) areas.add("api");
      this.#loaded = next;
      this.#problems = [];
      return { change: { ...change, areas } };
    } catch (error) {
      this.#problems = problemTexts(error);
      return { problems: this.#problems };
    }
  }

  get report(): StatusReport["config"] {
    const restart = this.#pending.map((path) => `${path} was changed and takes effect at the next start`);
    return {
      path: this.path,
      state: this.#problems.length === 0 ? "ok" : "rejected",
      problems: [...this.#problems],
      warnings: [...this.#loaded.warnings, ...openDoors(this.#loaded.config), ...restart],
    };
  }
}

/** One line for each problem, with its suggestion. */
export function problemTexts(error: unknown): string[] {
  if (error instanceof ConfigError) return error.problems.map(problemText);
  const hint = hintOf(error);
  return [hint === undefined ? messageOf(error) : `${messageOf(error)} (${hint})`];
}

async function load(
  path: string,
  { system, proxies }: { readonly system: System; readonly proxies: ProxyEnvironment },
): Promise<Loaded> {
  const { files, holds, flagFor, localAddresses, operatingSystem } = system;
  const { config, warnings } = await loadConfig(path, {
    readText: files.readText,
    interfaces: localAddresses,
    os: operatingSystem(),
  });
  const problems = checkPermissions(config, { holds, flagFor });
  if (problems.length > 0) throw validationError(problems);
  const apiKey = await resolveApiKey(config.api.key, {
    environment: system.readEnvironment,
    readText: files.readText,
  });
  const apiProxy = proxyFor(config.api.url, { configured: config.proxy, environment: proxies });
  return { config, apiKey, apiProxy, warnings: warnings.map(problemText) };
}

/** Whoever reaches a listener that is not virtual reaches the private endpoint behind it (RELIABILITY.md section 3, line 3). */
function openDoors(config: Config): string[] {
  const { listenInterface, overrides } = config.net;
  const targets = Object.entries(overrides).map(([host, target]) =>
    [`net.overrides.${host}`, target] as const
  );
  return [["net.listen_interface", listenInterface] as const, ...targets]
    .filter(([, target]) => target !== VIRTUAL && !target.startsWith("127.") && target !== "lo")
    .map(([path, target]) => `${path}: everyone who reaches "${target}" reaches these private endpoints`);
}
