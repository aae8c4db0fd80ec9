import { STATE_FILES } from "../../../src/model/state_files.ts";
import { shell } from "../../root/commands.ts";
import type { DaemonProcess } from "./daemon_process.ts";
import { hostsWith, LEASE, namesInHosts } from "./hosts_file.ts";
import { namesIn, TEMPORARY } from "./leftovers.ts";
import { Machine } from "./machine.ts";
import { Trace, WRITTEN_FILES } from "./trace.ts";

const FIRST_URLS = ["http://api.myapp", "tcp://db.myapp:5432"];
const FIRST_HOSTS = ["api.myapp", "db.myapp"];
const ADDED_URL = "http://new.myapp";
const LATER_HOSTS = ["db.myapp", "new.myapp"];
/** Port 80 is redirected: the name whose redirect goes is withdrawn before the new one comes. */
const BETWEEN_HOSTS = ["db.myapp"];
/** The lines in the hosts file at each time. They are sorted by address, which is random. */
const HOSTS_LINES = [[], FIRST_HOSTS, BETWEEN_HOSTS, LATER_HOSTS].flatMap((names) => {
  const lines = names.map((name) => `${LEASE}\t${name}`);
  return [lines, lines.toReversed()];
});
const MAX_ATTEMPTS = 5;

/**
 * Runs the daemon from start to shutdown so that it writes and replaces each of its files, and
 * kills it after chosen system calls.
 */
export class Lifecycle implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #holder: Deno.Listener;
  readonly #secondKey: string;

  constructor(machine: Machine, holder: Deno.Listener) {
    this.#machine = machine;
    this.#holder = holder;
    this.#secondKey = machine.cloud.addApiKey();
  }

  /** Takes the default subnet and port 80, so that the daemon chooses others and saves them. */
  static async open(): Promise<Lifecycle> {
    await shell(`
      /sbin/ip link add lan0 type veth peer name lan1
      /sbin/ip address add 10.107.1.1/16 dev lan0
      /sbin/ip link set lan0 up
    `);
    const holder = Deno.listen({ hostname: "0.0.0.0", port: 80 });
    return new Lifecycle(await Machine.open(), holder);
  }

  /** Runs the daemon without a kill. */
  async run(): Promise<LifecycleResult> {
    return await this.#run(undefined);
  }

  /**
   * Kills the daemon after this call. The order of calls of different threads varies, so this may
   * take some attempts.
   */
  async killAfter(call: string): Promise<LifecycleResult> {
    for (let attempt = 1;; attempt++) {
      const result = await this.#run(call);
      if (result.isExact || result.problems.length > 0) return result;
      if (attempt < MAX_ATTEMPTS) continue;
      const isExcused = Trace.isRead(call) && !result.calls.includes(call);
      if (isExcused) return result;
      return { ...result, problems: [`no kill came right after the call in ${MAX_ATTEMPTS} attempts`] };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.close();
    await this.#machine[Symbol.asyncDispose]();
  }

  async #run(call: string | undefined): Promise<LifecycleResult> {
    const machine = this.#machine;
    await machine.reset();
    const trace = new Trace(machine, call);
    const running = machine.start({ prefix: trace.prefix, onErrorLine: trace.takeLine });
    const problems: string[] = [];
    try {
      await this.#passThroughLife(running);
    } catch (error) {
      if (!trace.hasKilled) problems.push(`the daemon did not reach its shutdown: ${error}`);
    }
    running.kill("SIGKILL");
    const { signal } = await running.ended;
    const { calls, hasKilled, isExact } = trace;
    if (hasKilled !== (signal === "SIGKILL")) {
      problems.push(`the daemon ended with the signal ${signal}`, ...running.log.slice(-5));
    }
    problems.push(...hasKilled ? await this.#findDamage() : await machine.leftovers.find());
    problems.push(...await this.#untracedFiles());
    const names = await namesInHosts(machine.hostsPath);
    const cleanUp = await machine.cleanUp();
    problems.push(...cleanUp.problems, ...await machine.leftovers.find());
    const restart = await this.#restart(names);
    problems.push(...restart.problems);
    return { calls, isExact, cleanUpMs: cleanUp.ms, restartMs: restart.ms, problems };
  }

  async #passThroughLife(running: DaemonProcess): Promise<void> {
    const machine = this.#machine;
    const { cloud } = machine;
    const [first] = FIRST_URLS.map((url) => cloud.addEndpoint({ url, backend: "echo" }));
    await machine.untilServed(FIRST_HOSTS, running);
    cloud.removeEndpoint(first!.id);
    cloud.addEndpoint({ url: ADDED_URL, backend: "echo" });
    await machine.ask("refresh-cert", ["--force"]);
    await machine.poll(this.#secondKey);
    await machine.untilServed(LATER_HOSTS, running);
    running.kill("SIGTERM");
    await running.ended;
  }

  /** After a kill each file must have its old or its new content. */
  async #findDamage(): Promise<string[]> {
    const machine = this.#machine;
    const problems = await machine.leftovers.findDamage(HOSTS_LINES.map(hostsWith));
    const configs = [machine.cloud.apiKey, this.#secondKey].map((key) => machine.configWith(key));
    for (const name of await namesIn(machine.etc)) {
      if (name.endsWith(TEMPORARY)) continue;
      const text = await Deno.readTextFile(`${machine.etc}/${name}`);
      if (!isWhole(name, text, configs)) {
        problems.push(`${machine.etc}/${name} is damaged: ${JSON.stringify(text)}`);
      }
    }
    return problems;
  }

  /** No kill would ever come during a write to a file that is not traced. */
  async #untracedFiles(): Promise<string[]> {
    const traced = new Set([...WRITTEN_FILES, "ca.pem"]);
    const names = (await namesIn(this.#machine.etc)).map((name) =>
      name.endsWith(TEMPORARY) ? name.slice(0, -TEMPORARY.length) : name
    );
    return names.filter((name) => !traced.has(name)).map((name) => `the trace misses ${name}`);
  }

  /** An interrupted registration must be found again, and not be repeated. */
  #operatorProblems(): string[] {
    const count = this.#machine.cloud.operators().filter(({ deleted }) => !deleted).length;
    return count === 1 ? [] : [`${count} operators are in the cloud instead of 1`];
  }

  /** Starts the daemon again: it must serve all names on their addresses, and stop cleanly. */
  async #restart(names: ReadonlyMap<string, string>): Promise<{ ms: number; problems: string[] }> {
    const machine = this.#machine;
    const problems: string[] = [];
    const saved = JSON.parse(
      await Deno.readTextFile(`${machine.etc}/${STATE_FILES.leases}`).catch(() => "{}"),
    );
    const before = new Map([...names, ...Object.entries<string>(saved)]);
    const running = machine.start();
    let ms = NaN;
    try {
      const addresses = await machine.untilServed(machine.endpointHosts, running);
      ms = performance.now() - running.startedAt;
      for (const [name, address] of addresses) {
        const old = before.get(name) ?? address;
        if (old !== address) problems.push(`${name} moved from ${old} to ${address}`);
      }
      running.kill("SIGTERM");
      const { code } = await running.ended;
      if (code !== 0) problems.push(`the next run ended with ${code}`);
    } catch (error) {
      problems.push(`the next start: ${error}`);
    }
    const errors = running.log.filter((line) => / ERROR /.test(line));
    problems.push(...errors.map((line) => `the next run logged: ${line}`));
    await machine.killAll();
    problems.push(
      ...await machine.leftovers.find(),
      ...await this.#untracedFiles(),
      ...this.#operatorProblems(),
    );
    return { ms, problems };
  }
}

/** The result of one run, its clean-up and the next run. */
export interface LifecycleResult {
  readonly calls: readonly string[];
  /** True if the daemon was killed right after the call. */
  readonly isExact: boolean;
  readonly cleanUpMs: number;
  readonly restartMs: number;
  readonly problems: readonly string[];
}

function isWhole(name: string, text: string, configs: readonly string[]): boolean {
  if (name === "config.yml") return configs.includes(text);
  if (name === STATE_FILES.registrationMarker) return /^[0-9a-f-]{36}$/.test(text);
  if (name === STATE_FILES.operatorId) return /^[A-Za-z0-9_-]+$/.test(text.trim());
  if (!name.endsWith(".json")) {
    return /^(-----BEGIN ([A-Z ]+)-----\n[A-Za-z0-9+/=\n]+-----END \2-----\n)+$/.test(text);
  }
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}
