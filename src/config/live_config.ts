import { getLogger } from "@logtape/logtape";
import { ConfigError, FileError, hintOf, messageOf, withHint } from "../model/errors.ts";
import type { StatusReport } from "../model/report.ts";
import type { System } from "../system/system.ts";
import { type ApiKey, isProvidedSecret, resolveApiKey } from "./api_key.ts";
import type { Config } from "./config.ts";
import { type ConfigDiff, diffConfig } from "./diff.ts";
import { dnsProblem } from "./dns_need.ts";
import { environmentWarnings } from "./environment_warnings.ts";
import { exposureWarnings } from "./exposure.ts";
import { loadGuarded } from "./load.ts";
import { checkPermissions } from "./permissions.ts";
import { PROXY_VARIABLES, type ProxyChoice, type ProxyEnvironment, proxyFor } from "./proxy/proxy_for.ts";
import { serverHosts } from "./server_hosts.ts";
import { subnetProblem } from "./subnet_need.ts";
import { problemText, validationError } from "./validation_error.ts";

const log = getLogger(["ngrokd", "config"]);

/** The machine, and its environment at the start: the proxies, and what is wrong with it. */
interface Source {
  readonly system: System;
  readonly proxies: ProxyEnvironment;
  readonly warnings: readonly string[];
}

/** A configuration with the values that depend on the environment too. */
interface Loaded {
  readonly config: Config;
  readonly apiKey: ApiKey;
  readonly apiProxy: ProxyChoice;
  readonly warnings: readonly string[];
  readonly isEmpty: boolean;
}

/** The running configuration, and the state of its file. An invalid file never replaces it. */
export class LiveConfig {
  readonly path: string;
  readonly #source: Source;
  /** The configuration at the start, with which keys that need a restart are compared. */
  readonly #atStart: Config;
  #loaded: Loaded;
  /** The configuration that a reload is about to use. */
  #next: Loaded | undefined;
  #problems: readonly string[] = [];
  #needsRestart: readonly string[] = [];

  constructor(path: string, { source, loaded }: { source: Source; loaded: Loaded }) {
    this.path = path;
    this.#source = source;
    this.#loaded = loaded;
    this.#atStart = loaded.config;
  }

  /**
   * Reads the file for the first time.
   *
   * @throws {ConfigError} With all problems.
   * @throws {FileError} If the file cannot be read.
   */
  static async open(path: string, system: System): Promise<LiveConfig> {
    const proxies: ProxyEnvironment = Object.fromEntries(
      PROXY_VARIABLES.map((name) => [name, system.takeEnvironment(name)]),
    );
    const source = { system, proxies, warnings: environmentWarnings(system.readEnvironment) };
    return new LiveConfig(path, { source, loaded: await load(path, source) });
  }

  /**
   * Opens the configuration as `open` does, but uses the defaults for an invalid or missing file,
   * so that a clean-up can run.
   */
  static async openOrDefaults(path: string, system: System): Promise<LiveConfig> {
    try {
      return await LiveConfig.open(path, system);
    } catch (error) {
      log.warn("Invalid configuration; using defaults", { problem: problemTexts(error).join("; ") });
      const files = { ...system.files, readGuarded: () => Promise.resolve("") };
      return await LiveConfig.open(path, { ...system, files, readEnvironment: () => undefined });
    }
  }

  get current(): Config {
    return this.#loaded.config;
  }

  get apiKey(): ApiKey {
    return this.#loaded.apiKey;
  }

  /** The proxy for the API, if there is one. */
  get apiProxy(): ProxyChoice {
    return this.#loaded.apiProxy;
  }

  /** The hosts that the daemon connects to, or will connect to after the reload that runs. */
  get serverHosts(): readonly string[] {
    const configs = [this.#loaded, ...(this.#next === undefined ? [] : [this.#next])].map(({ config }) =>
      config
    );
    return [...new Set(configs.flatMap((config) => serverHosts(config, this.#source.proxies)))];
  }

  /**
   * Reads the file again; returns the changes, or the problems because of which nothing changed.
   * `beforeUse` is called before the daemon connects to other {@linkcode serverHosts}, while they
   * are in the list.
   */
  async reload(
    options: { readonly beforeUse?: () => Promise<void> } = {},
  ): Promise<{ readonly change: ConfigDiff } | { readonly problems: readonly string[] }> {
    try {
      const next = await load(this.path, this.#source);
      if (next.isEmpty && !this.#loaded.isEmpty) throw emptied(this.path);
      const configs = { current: this.current, next: next.config };
      const { system } = this.#source;
      const problems = [dnsProblem(configs, system.holds), subnetProblem(configs, system)]
        .filter((problem) => problem !== undefined);
      if (problems.length > 0) throw validationError(problems);
      const known = this.serverHosts.length;
      this.#next = next;
      if (this.serverHosts.length > known) await options.beforeUse?.();
      const change = diffConfig(this.#loaded.config, next.config);
      this.#needsRestart = diffConfig(this.#atStart, next.config).needsRestart;
      // The key can change without the configuration: in its file.
      const areas = new Set(change.areas);
      if (next.apiKey.key !== this.#loaded.apiKey.key) areas.add("api");
      this.#loaded = next;
      this.#problems = [];
      return { change: { ...change, areas } };
    } catch (error) {
      this.#problems = problemTexts(error);
      return { problems: this.#problems };
    } finally {
      this.#next = undefined;
    }
  }

  get report(): StatusReport["config"] {
    const restart = this.#needsRestart.map((path) =>
      `${path} was changed and takes effect at the next start`
    );
    return {
      path: this.path,
      state: this.#problems.length === 0 ? "ok" : "rejected",
      problems: [...this.#problems],
      warnings: [
        ...this.#source.warnings,
        ...this.#loaded.warnings,
        ...exposureWarnings(this.current.net),
        ...restart,
      ],
    };
  }
}

/** Returns one line for each problem, with its suggestion. */
export function problemTexts(error: unknown): string[] {
  if (error instanceof ConfigError) return error.problems.map(problemText);
  return [withHint({ message: messageOf(error), hint: hintOf(error) })];
}

/** Makes the error for a file that lost its content while ngrokd runs, as on a full disk. */
function emptied(path: string): FileError {
  return new FileError(`Cannot use ${path}: it has become empty`, {
    path,
    reason: "other",
    hint: "Restore it; to use the defaults, restart ngrokd",
  });
}

async function load(path: string, { system, proxies }: Source): Promise<Loaded> {
  const { files, holds, flagFor, localAddresses, operatingSystem } = system;
  const { config, warnings, isEmpty } = await loadGuarded(path, {
    readGuarded: files.readGuarded,
    interfaces: localAddresses,
    os: operatingSystem(),
  });
  const problems = checkPermissions(config, { holds, flagFor });
  if (problems.length > 0) throw validationError(problems);
  const apiKey = await resolveApiKey(config.api.key, {
    environment: system.readEnvironment,
    readText: (keyPath) => files.readGuarded(keyPath, { isSecret: !isProvidedSecret(keyPath) }),
  });
  const apiProxy = proxyFor(config.api.url, { configured: config.proxy, environment: proxies });
  return { config, apiKey, apiProxy, warnings: warnings.map(problemText), isEmpty };
}
