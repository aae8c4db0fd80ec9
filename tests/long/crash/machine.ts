import type { EndpointReport } from "../../../src/model/report.ts";
import { SimulatedCloud } from "../../../sim/cloud/cloud.ts";

/** The paths that ngrokd has by default. */
export const HOSTS = "/etc/hosts";
export const STATE = "/etc/ngrokd";
export const CONFIG = `${STATE}/config.yml`;
export const SOCKET = "/run/ngrokd/ngrokd.sock";
export const INTERFACE = "ngrokd0";

/** The end of a temporary file's name. */
export const TEMPORARY = ".ngrokd.tmp";

const ROOT = new URL("../../..", import.meta.url).pathname;
const HOSTS_TEXT = "127.0.0.1\tlocalhost\n# kept as it is\n192.0.2.7 printer\n";
/** Neither is what a file gets by itself. */
const HOSTS_MODE = 0o664;
const HOSTS_GROUP = 12;
const LOOK_MS = 10;

/** A daemon that was started. */
export interface Running {
  readonly pid: number;
  /** What it logged, and what it printed to standard error that is no line of a trace. */
  readonly log: readonly string[];
  readonly startedAt: number;
  /** How it ended. */
  readonly ended: Promise<Deno.CommandStatus>;
}

/** How a daemon is started. */
export interface StartOptions {
  /** What comes before the program. */
  readonly prefix?: readonly string[];
  /** Called with each line of standard error; true if it is not the daemon's. */
  readonly onErrorLine?: (line: string, pid: number) => boolean;
}

/**
 * This machine, which is a set of namespaces with an /etc and a /run of their own: the real daemon on its default paths with its shipped
 * permissions, the simulated cloud, and what both must leave as it was.
 */
export class Machine implements AsyncDisposable {
  readonly cloud: SimulatedCloud;
  #interfaces = "";
  #etc: readonly string[] = [];
  #running: Running[] = [];

  constructor(cloud: SimulatedCloud) {
    this.cloud = cloud;
  }

  static async open(): Promise<Machine> {
    const cloud = await SimulatedCloud.start();
    cloud.setRateLimit(Number.MAX_SAFE_INTEGER);
    const machine = new Machine(cloud);
    await Deno.mkdir(STATE, { mode: 0o700 });
    await machine.reset();
    machine.#interfaces = await network();
    machine.#etc = await namesIn("/etc");
    return machine;
  }

  /** The hosts file as it was, with these lines of ours: `10.107.0.2\tapi.myapp`. */
  hostsWith(lines: readonly string[]): string {
    if (lines.length === 0) return HOSTS_TEXT;
    return `${HOSTS_TEXT}\n# BEGIN ngrokd managed section\n${
      lines.join("\n")
    }\n# END ngrokd managed section\n`;
  }

  /** As before the first start: no state, no endpoint. */
  async reset(): Promise<void> {
    const { cloud } = this;
    cloud.reset();
    for (const name of await namesIn(STATE)) await Deno.remove(`${STATE}/${name}`);
    await Deno.writeTextFile(HOSTS, HOSTS_TEXT);
    await Deno.chown(HOSTS, 0, HOSTS_GROUP);
    await Deno.chmod(HOSTS, HOSTS_MODE);
    await Deno.writeTextFile(`${STATE}/ca.pem`, cloud.caPem);
    await Deno.writeTextFile(CONFIG, this.configWith(cloud.apiKey), { mode: 0o600 });
  }

  /** The configuration with this API key. */
  configWith(key: string): string {
    const { apiUrl, ingressHost, ingressPort } = this.cloud;
    return [
      "api:",
      `  url: ${apiUrl}`,
      `  key: "${key}"`,
      `ingressEndpoint: ${ingressHost}:${ingressPort}`,
      "server:",
      `  ingress_ca: ${STATE}/ca.pem`,
      "",
    ].join("\n");
  }

  start(options: StartOptions = {}): Running {
    const { prefix = [], onErrorLine = () => false } = options;
    const [command, ...args] = [...prefix, ...program(), `--config=${CONFIG}`];
    const startedAt = performance.now();
    const child = new Deno.Command(command!, {
      args,
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const log: string[] = [];
    const reading = Promise.all([
      readLines(child.stdout, (line) => log.push(line)),
      readLines(child.stderr, (line) => {
        if (!onErrorLine(line, child.pid)) log.push(line);
      }),
    ]);
    const ended = child.status.then(async (status) => {
      await reading;
      return status;
    });
    const running = { pid: child.pid, log, startedAt, ended };
    this.#running.push(running);
    ended.finally(() => this.#running = this.#running.filter((one) => one !== running));
    return running;
  }

  /** One request of the control socket. @throws {Error} With the daemon's error, or if nobody answers. */
  async ask(command: string, args: readonly string[] = []): Promise<unknown> {
    using conn = await Deno.connect({ transport: "unix", path: SOCKET });
    await conn.write(new TextEncoder().encode(`${JSON.stringify({ command, args })}\n`));
    let text = "";
    const buffer = new Uint8Array(65_536);
    for (let size; (size = await conn.read(buffer)) !== null;) {
      text += new TextDecoder().decode(buffer.subarray(0, size));
    }
    const answer = JSON.parse(text);
    if (!answer.success) throw new Error(answer.error);
    return answer.data;
  }

  async list(): Promise<EndpointReport[]> {
    return await this.ask("list") as EndpointReport[];
  }

  /** Asks for a poll, which has ended when this fulfils. */
  async poll(key: string = this.cloud.apiKey): Promise<void> {
    await this.ask("set-api-key", [key]);
  }

  /** Waits until exactly these hosts have active endpoints and lines in the hosts file; gives their addresses. */
  async serves(hosts: readonly string[], running: Running, timeoutMs = 20_000): Promise<Map<string, string>> {
    const wanted = hosts.toSorted().join(" ");
    let addresses = new Map<string, string>();
    await until(`the daemon serves ${wanted}`, async () => {
      const rows = (await this.list()).filter(({ state }) => state === "active");
      addresses = new Map(rows.map(({ hostname, ip }) => [hostname, ip]));
      if ([...addresses.keys()].sort().join(" ") !== wanted) return false;
      const named = await namesInHosts();
      return named.size === addresses.size && [...addresses].every(([name, ip]) => named.get(name) === ip);
    }, { running, timeoutMs });
    return addresses;
  }

  /** Runs `ngrokd cleanup`; what it took in milliseconds, and what it said if it failed. */
  async cleanUp(): Promise<{ ms: number; problems: string[] }> {
    const [command, ...args] = [...program(), "cleanup", `--config=${CONFIG}`];
    const startedAt = performance.now();
    const { code, stdout, stderr } = await new Deno.Command(command!, { args, cwd: ROOT, stdin: "null" })
      .output();
    const ms = performance.now() - startedAt;
    const decoder = new TextDecoder();
    const text = decoder.decode(stdout) + decoder.decode(stderr);
    return { ms, problems: code === 0 ? [] : [`cleanup ended with ${code}: ${text}`] };
  }

  /** What ngrokd has left on the machine; nothing, if it has cleaned up. */
  async left(): Promise<string[]> {
    const problems = await this.harmToHosts([HOSTS_TEXT]);
    if (await network() !== this.#interfaces) {
      problems.push(`interfaces and routes are not as they were:\n${await network()}`);
    }
    if (await exists(SOCKET)) problems.push("the socket is left");
    problems.push(...(await this.#newInEtc()).map((name) => `/etc/${name} is left`));
    for (const name of await namesIn(STATE)) {
      if (name.endsWith(TEMPORARY) || name === "journal.json") problems.push(`${STATE}/${name} is left`);
    }
    return problems;
  }

  /** What is wrong with the hosts file, if it must be one of these texts, and with its temporary files. */
  async harmToHosts(legal: readonly string[]): Promise<string[]> {
    const problems: string[] = [];
    const text = await Deno.readTextFile(HOSTS);
    if (!legal.includes(text)) problems.push(`${HOSTS} is not whole: ${JSON.stringify(text)}`);
    const { mode, uid, gid } = await Deno.stat(HOSTS);
    const attributes = [mode! & 0o7777, uid, gid].join(" ");
    if (attributes !== [HOSTS_MODE, 0, HOSTS_GROUP].join(" ")) {
      problems.push(`mode, owner and group of ${HOSTS} are ${attributes}`);
    }
    const strange = (await this.#newInEtc()).filter((name) => name !== `hosts${TEMPORARY}`);
    if (strange.length > 0) problems.push(`new in /etc: ${strange.join(" ")}`);
    return problems;
  }

  async #newInEtc(): Promise<string[]> {
    const before = new Set(this.#etc);
    return (await namesIn("/etc")).filter((name) => !before.has(name));
  }

  /** Kills what still runs, and waits for its end. */
  async killAll(): Promise<void> {
    const running = [...this.#running];
    for (const { pid } of running) kill(pid, "SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killAll();
    await this.cloud[Symbol.asyncDispose]();
  }
}

function program(): string[] {
  return [Deno.execPath(), "run", "-P=ngrokd", "--no-prompt", "--quiet", "main.ts"];
}

/** Sends a signal; a process that has ended takes none. */
export function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Waits until `done` holds. @throws {Error} With the end of the log, if it takes too long or the daemon ends. */
export async function until(
  what: string,
  done: () => Promise<boolean>,
  options: { running: Running; timeoutMs?: number },
): Promise<void> {
  const { running, timeoutMs = 20_000 } = options;
  let over = false;
  running.ended.then(() => over = true);
  const end = performance.now() + timeoutMs;
  while (!await done().catch(() => false)) {
    const why = over ? "the daemon has ended" : performance.now() > end ? `not within ${timeoutMs} ms` : "";
    if (why !== "") throw new Error(`${what}: ${why}\n${running.log.slice(-12).join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** An open connection, over which a byte has gone there and back. */
export async function connectAndEcho(hostname: string, port: number): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port });
  await conn.write(new Uint8Array([7]));
  await conn.read(new Uint8Array(1));
  return conn;
}

/** Name → address of our section. */
export async function namesInHosts(): Promise<Map<string, string>> {
  const section = (await Deno.readTextFile(HOSTS)).split("# BEGIN ngrokd managed section\n")[1] ?? "";
  const lines = section.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.split("\t")[1]!, line.split("\t")[0]!]));
}

/** The hosts of the cloud's endpoints. */
export function hostsIn(cloud: SimulatedCloud): string[] {
  return cloud.endpoints().map(({ url }) => new URL(url.replace(/^[a-z]+/, "http")).hostname);
}

/** The names in a directory, sorted. */
export async function namesIn(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(path)) names.push(name);
  return names.sort();
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** All interfaces, addresses and routes, as one text. */
async function network(): Promise<string> {
  return await ip("-brief address show") + await ip("-4 route show table all");
}

/** What `ip` prints. @throws {Error} If it fails. */
export async function ip(line: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("/sbin/ip", { args: line.split(" ") }).output();
  if (code !== 0) throw new Error(`Cannot run ip ${line}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) take(line);
  }
  if (rest !== "") take(rest);
}
