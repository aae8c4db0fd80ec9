import { getLogger } from "@logtape/logtape";
import { type FileWatch, watchFile } from "../system/watch_file.ts";
import { Mutex } from "../lib/mutex.ts";
import { configureLog } from "../log/configure.ts";
import type { System } from "../system/system.ts";
import type { Daemon } from "./daemon.ts";
import type { LiveConfig } from "../config/live_config.ts";
import { logProxies } from "../config/proxy/proxy_report.ts";

const log = getLogger(["ngrokd", "config"]);

/** What a reloader works with. */
export interface ReloaderOptions {
  readonly system: System;
  /** `-v` wins over `server.log_level`. */
  readonly verbose: boolean;
}

/** Takes up changes of the configuration while the daemon runs, no further than each change reaches. */
export class Reloader {
  readonly #live: LiveConfig;
  readonly #options: ReloaderOptions;
  readonly #mutex = new Mutex();
  #daemon: Daemon | undefined;
  #watch: FileWatch | undefined;

  constructor(live: LiveConfig, options: ReloaderOptions) {
    this.#live = live;
    this.#options = options;
  }

  /** Watches the file from now on; a change between the first reading and this call is taken up too. */
  async start(daemon: Daemon, signal: AbortSignal): Promise<void> {
    this.#daemon = daemon;
    const { files } = this.#options.system;
    this.#watch = await watchFile(this.#live.path, {
      stat: files.statTarget,
      onChange: () => this.reload(),
      signal,
    });
    await this.reload();
  }

  /** Ends the watch, and what it has begun; nothing is taken up after that. */
  async stop(): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    await this.#mutex.run(() => {
      this.#daemon = undefined;
      return Promise.resolve();
    });
  }

  /** Reloads without being waited for: for a signal. */
  request(): void {
    this.reload().catch((error) => log.error("Cannot reload: {error}", { error }));
  }

  /** Reads the file again and applies what has changed; a broken file keeps the running configuration and says so. */
  reload(): Promise<void> {
    return this.#mutex.run(async () => {
      const daemon = this.#daemon;
      if (daemon === undefined) return;
      await this.#watch?.acknowledge();
      const known = new Set(this.#live.report.warnings);
      const result = await this.#live.reload();
      if ("problems" in result) {
        for (const problem of result.problems) {
          log.error("Config validation failed, keeping the running configuration: {problem}", { problem });
        }
        return;
      }
      await this.#apply(daemon, result.change.areas);
      const { paths } = result.change;
      if (paths.length > 0) log.info("Configuration reloaded", { changed: paths.join(" ") });
      if (paths.includes("proxy_url") || paths.includes("api.url")) logProxies(this.#live);
      for (const warning of this.#live.report.warnings) {
        if (!known.has(warning)) log.warn("Configuration: {warning}", { warning });
      }
    });
  }

  /** Sends the log where the configuration says. */
  configureLog(): void {
    const { logLevel, logFormat } = this.#live.current.server;
    const { system, verbose } = this.#options;
    configureLog({ level: verbose ? "debug" : logLevel, format: logFormat, write: system.writeOut });
  }

  async #apply(daemon: Daemon, areas: ReadonlySet<string>): Promise<void> {
    const { server, net } = this.#live.current;
    if (areas.has("log")) this.configureLog();
    // At each reload: the files change without the configuration, and SIGHUP takes them up.
    await daemon.trust.load(server.ingressCa);
    await daemon.health.listen({ address: server.healthAddress, port: server.healthPort });
    if (areas.has("endpoints")) {
      await daemon.addresses.prepare(net.subnet);
      await daemon.loop.reconcile();
    }
    if (areas.has("dns") || areas.has("endpoints")) await daemon.dns.refresh();
    if (areas.has("api")) daemon.renewals.keyChanged();
    if (areas.has("api") || areas.has("operator") || areas.has("poll")) daemon.loop.nudge();
  }
}
