import { SimulatedCloud } from "../../../sim/cloud/cloud.ts";
import { daemonConfig } from "../../../sim/daemon_config.ts";
import { DaemonHarness } from "../../../sim/daemon_harness.ts";
import { removeEarlierState } from "../../../sim/stage.ts";
import { runProgram } from "../../root/commands.ts";
import { DaemonProcess, type DaemonProcessOptions, PROGRAM } from "./daemon_process.ts";
import { namesInHosts, writeHosts } from "./hosts_file.ts";
import { Leftovers } from "./leftovers.ts";

/**
 * A machine for daemons that are killed: namespaces with an /etc and a /run of their own, the
 * simulated cloud, and the real daemon on its default paths with its shipped permissions.
 */
export class Machine extends DaemonHarness {
  readonly leftovers: Leftovers = new Leftovers(this);
  readonly #running = new Set<DaemonProcess>();

  /** Starts the cloud, and records the state of the machine. */
  static async open(): Promise<Machine> {
    const directory = await Deno.makeTempDir({ prefix: "ngrokd-crash-" });
    const machine = new Machine(await SimulatedCloud.start(), { directory, shipped: true });
    machine.cloud.setRateLimit(Number.MAX_SAFE_INTEGER);
    await machine.reset();
    await machine.leftovers.record();
    return machine;
  }

  /** The hosts of the cloud's endpoints. */
  get endpointHosts(): string[] {
    return this.cloud.endpoints().map(({ host }) => host);
  }

  /** Removes all state and endpoints, so that the next start is the first one. */
  async reset(): Promise<void> {
    this.cloud.reset();
    await removeEarlierState(this.etc);
    await writeHosts(this.hostsPath);
    await this.configure({ shipped: true });
  }

  /** The configuration with this API key. */
  configWith(apiKey: string): string {
    return daemonConfig(this, { shipped: true, apiKey });
  }

  /** Starts a daemon; the words in `prefix` come before the program. */
  start(options: DaemonProcessOptions & { readonly prefix?: readonly string[] } = {}): DaemonProcess {
    const { prefix = [] } = options;
    const running = new DaemonProcess([...prefix, ...PROGRAM, `--config=${this.configPath}`], options);
    this.#running.add(running);
    running.ended.finally(() => this.#running.delete(running));
    return running;
  }

  /** Makes the daemon poll, and waits for the end of the poll. */
  async poll(apiKey: string = this.cloud.apiKey): Promise<void> {
    await this.ask("set-api-key", [apiKey]);
  }

  /**
   * Waits until exactly these hosts have active endpoints and lines in the hosts file, and returns
   * the address of each.
   */
  async untilServed(hosts: readonly string[], running: DaemonProcess): Promise<Map<string, string>> {
    const wanted = hosts.toSorted().join(" ");
    let addresses = new Map<string, string>();
    await running.until(`the daemon serves ${wanted}`, async () => {
      const rows = (await this.askList()).filter(({ state }) => state === "active");
      addresses = new Map(rows.map(({ hostname, ip }) => [hostname, ip]));
      if ([...addresses.keys()].sort().join(" ") !== wanted) return false;
      const published = await namesInHosts(this.hostsPath);
      return published.size === addresses.size &&
        [...addresses].every(([name, ip]) => published.get(name) === ip);
    });
    return addresses;
  }

  /** Runs `ngrokd cleanup`; returns its duration, and its output if it failed. */
  async cleanUp(): Promise<{ ms: number; problems: string[] }> {
    const startedAt = performance.now();
    const { code, stdout, stderr } = await runProgram([...PROGRAM, "cleanup", `--config=${this.configPath}`]);
    const ms = performance.now() - startedAt;
    return { ms, problems: code === 0 ? [] : [`ngrokd cleanup ended with ${code}: ${stdout}${stderr}`] };
  }

  /** Kills all running daemons, and waits for their ends. */
  async killAll(): Promise<void> {
    const running = [...this.#running];
    for (const daemon of running) daemon.kill("SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.killAll();
    await super[Symbol.asyncDispose]();
  }
}
