import { BindError } from "../../src/model/errors.ts";
import { SIGNAL_VARIABLE } from "../../src/config/environment_warnings.ts";
import { runDaemon } from "../../src/daemon/run.ts";
import type { SignalName } from "../../src/system/signals.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import type { ConfigOptions } from "../../sim/daemon_config.ts";
import { DaemonHarness } from "../../sim/daemon_harness.ts";
import { type LoopbackNetwork, takeLoopbackNetwork } from "../../sim/loopback_network.ts";

/**
 * The machine that a daemon inside the test runs on. Sockets and files are real; signals,
 * environment and output are the test's.
 */
export class FakeMachine extends DaemonHarness {
  readonly network: LoopbackNetwork;
  /** Replace functions before the daemon starts. */
  system: System;
  /** The standard error of the daemon. */
  readonly err: string[] = [];
  readonly environment: Record<string, string> = {};
  readonly #signalHandlers = new Set<(name: SignalName) => void>();

  constructor(parts: { cloud: SimulatedCloud; directory: string; network: LoopbackNetwork }) {
    super(parts.cloud, parts);
    this.network = parts.network;
    this.environment.NGROKD_HOSTS_PATH = this.hostsPath;
    this.environment[SIGNAL_VARIABLE] = "blocked";
    const fromEnvironment = (name: string) => this.environment[name] || undefined;
    this.system = {
      ...realSystem(),
      readEnvironment: fromEnvironment,
      takeEnvironment: fromEnvironment,
      onSignals: (_names, handler) => {
        this.#signalHandlers.add(handler);
        return { [Symbol.dispose]: () => this.#signalHandlers.delete(handler) };
      },
      writeOut: (text) => void this.log.push(text),
      logOutput: { write: (line) => void this.log.push(line), flush: () => Promise.resolve() },
      writeErr: (text) => void this.err.push(text),
      // The first free address, and then the next ones.
      random: () => 0,
    };
  }

  /**
   * Starts the cloud and writes a configuration with a poll interval of 1 s and a network of its
   * own.
   */
  static async create(options: FakeMachineOptions = {}): Promise<FakeMachine> {
    const { system = {}, network = takeLoopbackNetwork(), pollSeconds = 1, ...config } = options;
    const { subnet = network.cidr, net = "" } = options;
    const machine = new FakeMachine({
      cloud: await SimulatedCloud.start(),
      directory: await Deno.makeTempDir({ prefix: "ngrokd-" }),
      network,
    });
    machine.override(system);
    await machine.configure({ ...config, pollSeconds, net: `subnet: ${subnet}\n${net}` });
    return machine;
  }

  /** All that the daemon logged, as one text. */
  get logText(): string {
    return this.log.join("");
  }

  /** Replaces functions of the system. */
  override(changes: Partial<System>): void {
    this.system = { ...this.system, ...changes };
  }

  /** Keeps the daemon from a port of every address, as a program on 0.0.0.0 does. */
  holdPort(port: number): Disposable {
    const { listenTcp } = this.system;
    let isHeld = true;
    this.override({
      listenTcp(where) {
        const address = `${where.address}:${where.port}`;
        if (!isHeld || where.port !== port) return listenTcp(where);
        throw new BindError(`Cannot bind ${address}: address is in use`, { address, reason: "in_use" });
      },
    });
    return { [Symbol.dispose]: () => void (isHeld = false) };
  }

  /** Runs `ngrokd` with these words and returns its exit code. */
  run(...words: readonly string[]): Promise<number> {
    return runDaemon([...words, "--config", this.configPath], this.system);
  }

  signal(name: SignalName): void {
    for (const handler of this.#signalHandlers) handler(name);
  }

  /** Edits the configuration and sends SIGHUP. */
  async reloadWith(from: string | RegExp, to: string): Promise<void> {
    await this.editConfig(from, to);
    this.signal("SIGHUP");
  }

  /** Waits until the log contains this text. */
  untilLogged(text: string | RegExp): Promise<void> {
    const isLogged = () => typeof text === "string" ? this.logText.includes(text) : text.test(this.logText);
    return this.until(`${text} in the log`, isLogged);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.network[Symbol.dispose]();
    await super[Symbol.asyncDispose]();
  }
}

/** The configuration and the replaced functions of a {@linkcode FakeMachine}. */
export interface FakeMachineOptions extends ConfigOptions {
  readonly system?: Partial<System>;
  /** Taken by the caller, who wants to know its addresses first; the machine releases it. */
  readonly network?: LoopbackNetwork;
  /** @default {the network of the machine} */
  readonly subnet?: string;
}
