import { ownerSocketPath } from "../src/config/paths.ts";
import type { EndpointReport, StatusReport } from "../src/model/report.ts";
import { SimulatedCloud, type StartOptions } from "./cloud/cloud.ts";
import { PROGRAMS_VARIABLE } from "../src/lib/own_commands.ts";
import { SIGNAL_VARIABLE } from "../src/config/environment_warnings.ts";
import { flagsOfSet, permissionFlags, type ShippedSet } from "../scripts/permission_flags.ts";
import type { ConfigOptions } from "./daemon_config.ts";
import { DaemonHarness } from "./daemon_harness.ts";
import { type LoopbackNetwork, takeLoopbackNetwork } from "./loopback_network.ts";
import { readLines } from "./read_lines.ts";
import { sendSignal } from "./send_signal.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const PASSED_ON = ["PATH", "HOME", "DENO_DIR", "TMPDIR", "DENO_AUDIT_PERMISSIONS", SIGNAL_VARIABLE];
/** The directory with the changes of an overlay over /etc (tests/root/namespace.ts). */
const OWN_ETC_CHANGES = "/mnt/etc";
const STOP_LIMIT_MS = 40_000;

/**
 * The simulated cloud and the daemon, as a process with its shipped permissions, in a directory of
 * their own.
 */
export class Stage extends DaemonHarness {
  readonly #options: StageOptions;
  readonly #network: LoopbackNetwork | undefined;
  #daemon: Deno.ChildProcess | undefined;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(cloud: SimulatedCloud, directory: string, options: StageOptions) {
    super(cloud, { directory, shipped: options.shipped });
    this.#options = options;
    this.#network = needsNetwork(options) ? takeLoopbackNetwork() : undefined;
  }

  /** Starts the cloud and prepares the directory. */
  static async open(options: StageOptions = {}): Promise<Stage> {
    const cloud = await SimulatedCloud.start(options.cloud ?? {});
    const stage = new Stage(cloud, await Deno.makeTempDir({ prefix: "ngrokd-" }), options);
    try {
      await stage.#prepare();
      return stage;
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The network of the virtual addresses. @throws {Error} If the options name another one. */
  get network(): LoopbackNetwork {
    if (this.#network === undefined) {
      throw new Error("Cannot tell the network: the options of the stage name it");
    }
    return this.#network;
  }

  /** The process id of the daemon, or of the task that passes signals on to it. */
  get pid(): number {
    return this.#daemon!.pid;
  }

  /** The exit code, once the daemon has ended. */
  get daemonEnded(): Promise<number> {
    return this.#daemon!.status.then(async ({ code }) => {
      await this.#reading;
      return code;
    });
  }

  startDaemon(options: RunOptions = {}): void {
    const { flags, environment, prelude = this.#options.prelude } = options;
    const [command, ...args] = withPrelude(prelude, [
      ...this.#program("ngrokd", flags),
      `--config=${this.configPath}`,
    ]);
    const child = new Deno.Command(command!, {
      args,
      cwd: ROOT,
      clearEnv: true,
      env: {
        ...passedOn(),
        ...(this.#options.shipped ? {} : { NGROKD_HOSTS_PATH: this.hostsPath }),
        ...this.#options.environment,
        ...environment,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      // Ctrl-C must not reach the daemon directly, too, so it is in a process group of its own.
      detached: true,
    }).spawn();
    this.#daemon = child;
    this.#reading = Promise.all([this.#readLog(child.stdout), this.#readLog(child.stderr)]);
  }

  /** Sends a signal, waits for the end of the daemon and returns its exit code. */
  async stopDaemon(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    const child = this.#daemon;
    if (child === undefined) return 0;
    this.#daemon = undefined;
    sendSignal(child.pid, signal);
    const timer = setTimeout(() => sendSignal(-child.pid, "SIGKILL"), STOP_LIMIT_MS);
    const { code } = await child.status;
    clearTimeout(timer);
    await this.#reading;
    return code;
  }

  /** Runs ngrokctl for this daemon. */
  async ctl(args: readonly string[], stdin = "", options: RunOptions = {}): Promise<Printed> {
    const { flags, environment, prelude, terminal = false } = options;
    const program = withPrelude(prelude, [...this.#program("ngrokctl", flags), ...args]);
    const [command, ...rest] = terminal ? onTerminal(program) : program;
    const child = new Deno.Command(command!, {
      args: rest,
      cwd: ROOT,
      clearEnv: true,
      env: { ...passedOn(), ...environment },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin)).catch(() => {});
    await writer.close().catch(() => {});
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout).replaceAll("\r\n", "\n"), stderr: decoder.decode(stderr) };
  }

  /** `ngrokctl list --json`. @throws {Error} If it fails. */
  async list(): Promise<EndpointReport[]> {
    return JSON.parse(await this.#printed(["list", "--json"])).endpoints;
  }

  /** `ngrokctl status --json`. @throws {Error} If there is no report. */
  async status(): Promise<StatusReport> {
    // Exit code 1 also says that nothing is served.
    return JSON.parse(await this.#printed(["status", "--json"], [0, 1]));
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.stopDaemon();
    this.#network?.[Symbol.dispose]();
    await super[Symbol.asyncDispose]();
  }

  async #prepare(): Promise<void> {
    const { directory } = this;
    const { ingressCa, shipped, net = "" } = this.#options;
    const lines = typeof net === "string" ? net : net(this.network);
    const subnet = this.#network === undefined ? "" : `subnet: ${this.#network.cidr}\n`;
    if (shipped) await removeEarlierState(this.etc);
    await Deno.writeTextFile(this.hostsPath, "127.0.0.1\tlocalhost\n");
    await this.configure({ ...this.#options, net: subnet + lines }, ingressCa);
    if (shipped) return;
    const ctl = this.#program("ngrokctl").map((word) => `'${word}'`).join(" ");
    await Deno.writeTextFile(
      `${directory}/ngrokctl`,
      `#!/bin/sh\nexport ${PROGRAMS_VARIABLE}='${directory}'\nexec ${ctl} "$@"\n`,
      { mode: 0o755 },
    );
  }

  #program(set: ShippedSet, flags?: readonly string[]): string[] {
    const { directory, socketPath } = this;
    const { shipped } = this.#options;
    if (shipped && flags === undefined) return [Deno.execPath(), "task", "--quiet", set];
    const granted = flags ?? permissionFlags(set, [
      // The configurations of the tests reload everything.
      ...(set === "ngrokd" ? flagsOfSet("ngrokd_dns") : []),
      `--allow-read=${directory}`,
      `--allow-write=${directory}`,
      `--allow-net=unix:${socketPath}`,
      `--allow-net=unix:${ownerSocketPath(socketPath)}`,
    ]);
    return [
      ...[Deno.execPath(), "run", `--config=${ROOT}deno.json`, ...granted, "--no-prompt", "--quiet"],
      ...(set === "ngrokd" ? [`${ROOT}main.ts`] : [`${ROOT}ctl.ts`]),
      ...(set === "ngrokctl" && !shipped ? [`--socket=${socketPath}`] : []),
    ];
  }

  async #printed(args: readonly string[], codes: readonly number[] = [0]): Promise<string> {
    const { code, stdout, stderr } = await this.ctl(args);
    if (!codes.includes(code) || stdout === "") {
      throw new Error(`ngrokctl ${args.join(" ")} failed with ${code}: ${stderr}`);
    }
    return stdout;
  }

  async #readLog(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const line of readLines(stream)) {
      this.log.push(line);
      this.#options.onLog?.(line);
    }
  }
}

/** The parts of a stage that differ between tests. */
export interface StageOptions extends Omit<ConfigOptions, "net"> {
  /** Lines for the section `net:`; a function gets the network of the stage. */
  readonly net?: string | ((network: LoopbackNetwork) => string);
  readonly cloud?: StartOptions;
  /** Called with each line that the daemon logs. */
  readonly onLog?: (line: string) => void;
  /** The CA of the ingress in PEM, if it is not the cloud's. */
  readonly ingressCa?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Shell lines that run before the program in its process: `ulimit -n 64`. */
  readonly prelude?: string;
}

/** Options of one run of a program. */
export interface RunOptions extends Pick<StageOptions, "environment" | "prelude"> {
  /** Permission flags instead of the shipped set, for programs that run as shipped. */
  readonly flags?: readonly string[];
  /** True runs ngrokctl on a terminal, which gets standard error too. */
  readonly terminal?: boolean;
}

/** The output of a program, and its exit code. */
export interface Printed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Only Linux has all of 127.0.0.0/8. Some options name a network themselves, in `sections`. */
function needsNetwork({ shipped = false, sections = "" }: StageOptions): boolean {
  return Deno.build.os === "linux" && !shipped && !/^net:/m.test(sections);
}

/**
 * Removes the state of an earlier daemon.
 *
 * @throws {Deno.errors.NotFound} If /etc is this machine's own.
 */
export async function removeEarlierState(etc: string): Promise<void> {
  await Deno.stat(OWN_ETC_CHANGES);
  await Deno.remove(etc, { recursive: true }).catch(() => {});
}

/** The command that runs shell lines and then the program, in one process. */
function withPrelude(prelude: string | undefined, program: readonly string[]): readonly string[] {
  return prelude === undefined ? program : ["/bin/sh", "-c", `${prelude}; exec "$@"`, "sh", ...program];
}

/** The command that runs a program on a terminal of its own. */
function onTerminal(program: readonly string[]): readonly string[] {
  const line = program.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  return ["script", "--quiet", "--return", "--command", line, "/dev/null"];
}

function passedOn(): Record<string, string> {
  const entries = PASSED_ON.map((name) => [name, Deno.env.get(name)] as const);
  return Object.fromEntries(entries.flatMap(([name, value]) => value === undefined ? [] : [[name, value]]));
}
