import { getLogger } from "@logtape/logtape";
import type { LiveArea } from "../config/key.ts";
import type { LiveConfig } from "../config/live_config.ts";
import { withConfig } from "../config/paths.ts";
import { logProxies } from "../config/proxy/proxy_report.ts";
import { Mutex } from "../lib/mutex.ts";
import { configureLog } from "../log/configure.ts";
import type { System } from "../system/system.ts";
import { type FileWatch, watchFile } from "../system/watch_file.ts";
import type { Daemon } from "./daemon.ts";
import { logWriter } from "./log_writer.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Applies changes of the configuration to the running daemon, each to the parts that it concerns.
 */
export class Reloader {
  readonly #live: LiveConfig;
  readonly #options: ReloaderOptions;
  readonly #mutex = new Mutex();
  #daemon: Daemon | undefined;
  #watch: FileWatch | undefined;
  /** True after a reload that was rejected. */
  #isRejected = false;

  constructor(live: LiveConfig, options: ReloaderOptions) {
    this.#live = live;
    this.#options = options;
  }

  /** Watches the file, and applies a change that was made since it was first read. */
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

  /** Ends the watch and the running reload; no change is applied after that. */
  async stop(): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    await this.#mutex.run(() => {
      this.#daemon = undefined;
      return Promise.resolve();
    });
  }

  /** Reloads at a signal, without a promise to wait for. */
  request(): void {
    this.reload().catch((error) =>
      log.error("Problem with the reload of the configuration: {error}", { error })
    );
  }

  /**
   * Reads the file again and applies its changes. An invalid file is logged, and the running
   * configuration stays.
   */
  reload(): Promise<void> {
    return this.#mutex.run(async () => {
      const daemon = this.#daemon;
      if (daemon === undefined) return;
      await this.#watch?.acknowledge();
      const known = new Set(this.#live.report.warnings);
      // An endpoint must lose the name of a proxy before the proxy gets credentials.
      const result = await this.#live.reload({ beforeUse: () => daemon.loop.reconcile() });
      if ("problems" in result) {
        for (const problem of result.problems) {
          log.error("Config validation failed, keeping the old configuration in use: {error}", {
            error: problem,
            hint: `Correct it: ${withConfig("ngrokctl config edit", this.#live.path)}`,
          });
        }
        this.#isRejected = true;
        return;
      }
      if (this.#isRejected) log.info("The configuration is valid again");
      this.#isRejected = false;
      await this.#apply(daemon, result.change.areas);
      const { paths } = result.change;
      if (paths.length > 0) log.info("Configuration reloaded", { changed: paths.join(" ") });
      if (paths.includes("proxy_url") || paths.includes("api.url")) logProxies(this.#live);
      for (const warning of this.#live.report.warnings) {
        if (!known.has(warning)) log.warn("Configuration problem: {error}", { error: warning });
      }
    });
  }

  /** Sets level and format of the log as the configuration says. */
  configureLog(): void {
    const { logLevel, logFormat } = this.#live.current.server;
    const { system, verbose } = this.#options;
    const write = logWriter(system);
    configureLog({ level: verbose ? "debug" : logLevel, format: logFormat, write });
  }

  async #apply(daemon: Daemon, areas: ReadonlySet<LiveArea>): Promise<void> {
    const { server, net } = this.#live.current;
    const steps = new Set([...areas].flatMap((area) => STEPS[area]));
    if (steps.has("log")) this.configureLog();
    // At each reload, because the CA files can change while the configuration does not.
    await daemon.trust.load(server.ingressCa);
    await daemon.health.listen({ address: server.healthAddress, port: server.healthPort });
    if (steps.has("listeners")) {
      await daemon.addresses.prepare(net.subnet);
      await daemon.loop.reconcile();
    }
    if (steps.has("dns")) await daemon.dns.refresh();
    if (steps.has("key")) {
      daemon.account.keyChanged();
      daemon.renewals.keyChanged();
    }
    if (steps.has("poll")) daemon.loop.pollNow();
  }
}

type ReloadStep = "log" | "listeners" | "dns" | "key" | "poll";

/**
 * The steps of a reload that each area needs in addition to those of every reload. The parts of an
 * area without steps read their values each time they need them.
 */
const STEPS: Readonly<Record<LiveArea, readonly ReloadStep[]>> = {
  log: ["log"],
  api: ["key", "poll"],
  operator: ["poll"],
  poll: ["poll"],
  endpoints: ["listeners", "dns"],
  ingress: [],
  connections: [],
  end: [],
  identity: [],
  probes: [],
  health: [],
  dns: ["dns"],
};

/** Options of a {@linkcode Reloader}. */
export interface ReloaderOptions {
  readonly system: System;
  /** True for `-v`, which overrides `server.log_level`. */
  readonly verbose: boolean;
}
