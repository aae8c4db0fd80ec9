import {
  CONFIG,
  hostsIn,
  ip,
  kill,
  Machine,
  namesIn,
  namesInHosts,
  type Running,
  STATE,
  TEMPORARY,
} from "./machine.ts";
import { STATE_FILES, Trace } from "./trace.ts";

const START = [["http", "api.myapp", ""], ["tcp", "db.myapp", ":5432"]] as const;
const ADDED = ["http", "new.myapp", ""] as const;
const LATER = ["db.myapp", "new.myapp"];
/** In the next subnet, since the default one is taken. */
const LINES = [
  [],
  ["10.108.0.2\tapi.myapp", "10.108.0.3\tdb.myapp"],
  ["10.108.0.3\tdb.myapp", "10.108.0.4\tnew.myapp"],
];
const TRIES = 5;

/** What one life came to. */
export interface LifeOutcome {
  readonly calls: readonly string[];
  /** Whether it was killed right after the call. */
  readonly hit: boolean;
  readonly cleanUpMs: number;
  readonly restartMs: number;
  readonly problems: readonly string[];
}

/** A life of the daemon in which each of its files is written and replaced; it is killed after chosen system calls. */
export class Life implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #holder: Deno.Listener;
  readonly #secondKey: string;

  constructor(machine: Machine, holder: Deno.Listener) {
    this.#machine = machine;
    this.#holder = holder;
    this.#secondKey = machine.cloud.addApiKey();
  }

  /** Takes the default subnet and port 80, so that the daemon chooses others and remembers them. */
  static async open(): Promise<Life> {
    await ip("link add lan0 type veth peer name lan1");
    await ip("address add 10.107.1.1/16 dev lan0");
    await ip("link set lan0 up");
    const holder = Deno.listen({ hostname: "0.0.0.0", port: 80 });
    return new Life(await Machine.open(), holder);
  }

  /** The calls of a whole life, from start to shutdown; what is wrong with its end. */
  async live(): Promise<LifeOutcome> {
    return await this.#run(undefined);
  }

  /** Kills the daemon after this call. Where threads work side by side their order varies, so that it may take some tries. */
  async killAfter(call: string): Promise<LifeOutcome> {
    for (let tries = 1;; tries++) {
      const outcome = await this.#run(call);
      if (outcome.hit || outcome.problems.length > 0) return outcome;
      if (tries < TRIES) continue;
      const excused = Trace.isRead(call) && !outcome.calls.includes(call);
      return excused ? outcome : { ...outcome, problems: [`it was never killed right after ${call}`] };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.close();
    await this.#machine[Symbol.asyncDispose]();
  }

  async #run(call: string | undefined): Promise<LifeOutcome> {
    const machine = this.#machine;
    await machine.reset();
    const trace = new Trace(call);
    const running = machine.start({ prefix: trace.prefix, onErrorLine: trace.takeLine });
    const problems: string[] = [];
    try {
      await this.#life(running);
    } catch (error) {
      if (!trace.sent) problems.push(`the daemon did not live its life: ${error}`);
    }
    kill(running.pid, "SIGKILL");
    const { signal } = await running.ended;
    const { calls, sent: killed, hit } = trace;
    if (killed !== (signal === "SIGKILL")) problems.push(`it ended by ${signal}`, ...running.log.slice(-5));
    problems.push(...killed ? await this.#harm() : await machine.left(), ...await this.#unknownFiles());
    const names = await namesInHosts();
    const { ms: cleanUpMs, problems: complaints } = await machine.cleanUp();
    problems.push(...complaints, ...await machine.left());
    const restart = await this.#restart(names);
    problems.push(...restart.problems);
    return { calls, hit, cleanUpMs, restartMs: restart.ms, problems };
  }

  async #life(running: Running): Promise<void> {
    const machine = this.#machine;
    const { cloud } = machine;
    const [first] = START.map(([scheme, host, port]) =>
      cloud.addEndpoint({ url: `${scheme}://${host}${port}`, backend: "echo" })
    );
    await machine.serves(START.map(([, host]) => host), running);
    cloud.removeEndpoint(first!.id);
    cloud.addEndpoint({ url: `${ADDED[0]}://${ADDED[1]}`, backend: "echo" });
    await machine.ask("refresh-cert", ["--force"]);
    await machine.poll(this.#secondKey);
    await machine.serves(LATER, running);
    kill(running.pid, "SIGTERM");
    await running.ended;
  }

  /** What a kill has broken: each file must be whole, be it the old one or the new one. */
  async #harm(): Promise<string[]> {
    const machine = this.#machine;
    const problems = await machine.harmToHosts(LINES.map((lines) => machine.hostsWith(lines)));
    const configs = [machine.cloud.apiKey, this.#secondKey].map((key) => machine.configWith(key));
    for (const name of await namesIn(STATE)) {
      if (name.endsWith(TEMPORARY)) continue;
      const text = await Deno.readTextFile(`${STATE}/${name}`);
      if (!isWhole(name, text, configs)) {
        problems.push(`${STATE}/${name} is not whole: ${JSON.stringify(text)}`);
      }
    }
    return problems;
  }

  /** A file that is written and not watched would never be killed at. */
  async #unknownFiles(): Promise<string[]> {
    const known = new Set([...STATE_FILES, "ca.pem"]);
    const names = (await namesIn(STATE)).map((name) =>
      name.endsWith(TEMPORARY) ? name.slice(0, -TEMPORARY.length) : name
    );
    return names.filter((name) => !known.has(name)).map((name) => `${STATE}/${name} is not watched`);
  }

  /** A registration that was cut off must have been found again, and not made a second time. */
  #unknownOperators(): string[] {
    const left = this.#machine.cloud.operators().filter(({ deleted }) => !deleted).length;
    return left === 1 ? [] : [`${left} operators are left in the cloud`];
  }

  /** Starts it again: it must serve what there is, with the addresses that were seen or saved, and stop without a trace. */
  async #restart(names: ReadonlyMap<string, string>): Promise<{ ms: number; problems: string[] }> {
    const machine = this.#machine;
    const problems: string[] = [];
    const saved = JSON.parse(await Deno.readTextFile(`${STATE}/ip_mappings.json`).catch(() => "{}"));
    const before = new Map([...names, ...Object.entries<string>(saved)]);
    const running = machine.start();
    let ms = NaN;
    try {
      const addresses = await machine.serves(hostsIn(machine.cloud), running);
      ms = performance.now() - running.startedAt;
      for (const [name, address] of addresses) {
        const known = before.get(name) ?? address;
        if (known !== address) problems.push(`${name} had ${known} and has ${address} now`);
      }
      kill(running.pid, "SIGTERM");
      const { code } = await running.ended;
      if (code !== 0) problems.push(`the next run ended with ${code}`);
    } catch (error) {
      problems.push(`the next start: ${error}`);
    }
    const complaints = running.log.filter((line) => / ERROR /.test(line));
    problems.push(...complaints.map((line) => `the next run said: ${line}`));
    await machine.killAll();
    problems.push(...await machine.left(), ...await this.#unknownFiles(), ...this.#unknownOperators());
    return { ms, problems };
  }
}

function isWhole(name: string, text: string, configs: readonly string[]): boolean {
  if (name === CONFIG.slice(STATE.length + 1)) return configs.includes(text);
  if (name === "registration_mark") return /^[0-9a-f-]{36}$/.test(text);
  if (name === "operator_id") return /^[A-Za-z0-9_-]+$/.test(text.trim());
  if (!name.endsWith(".json")) {
    return /^(-----BEGIN ([A-Z ]+)-----\n[A-Za-z0-9+/=\n]+-----END \2-----\n)+$/.test(text);
  }
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}
