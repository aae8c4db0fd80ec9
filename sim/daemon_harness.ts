import type { EndpointReport, StatusReport } from "../src/model/report.ts";
import type { SimulatedCloud } from "./cloud/cloud.ts";
import { type ConfigOptions, daemonConfig } from "./daemon_config.ts";
import { waitUntil } from "./wait_until.ts";

/**
 * A daemon's configuration, its simulated cloud and its control socket: the base of everything that
 * runs a whole daemon. A subclass starts and stops the daemon, in a process or inside the test.
 */
export abstract class DaemonHarness implements AsyncDisposable {
  readonly cloud: SimulatedCloud;
  /** A temporary directory, removed at the end. */
  readonly directory: string;
  /** The directory of the configuration and the state files. */
  readonly etc: string;
  readonly configPath: string;
  readonly socketPath: string;
  /** The hosts file that the daemon writes. */
  readonly hostsPath: string;
  readonly healthPort: number = freePort();
  /** The daemon's log so far, by line. */
  readonly log: string[] = [];

  constructor(cloud: SimulatedCloud, options: HarnessOptions) {
    const { directory, shipped = false } = options;
    this.cloud = cloud;
    this.directory = directory;
    this.etc = shipped ? "/etc/ngrokd" : `${directory}/etc`;
    this.configPath = `${this.etc}/config.yml`;
    this.socketPath = `${shipped ? "/run/ngrokd" : `${directory}/run`}/ngrokd.sock`;
    this.hostsPath = shipped ? "/etc/hosts" : `${directory}/hosts`;
  }

  /** Makes the directory of the configuration and writes it, with the CA of the ingress (PEM). */
  async configure(options: ConfigOptions, ingressCa: string = this.cloud.caPem): Promise<void> {
    await Deno.mkdir(this.etc, { mode: 0o700, recursive: true });
    await Deno.writeTextFile(`${this.etc}/ca.pem`, ingressCa, { mode: 0o644 });
    await Deno.writeTextFile(this.configPath, daemonConfig(this, options), { mode: 0o600 });
  }

  /** Replaces text in the configuration. @throws {Error} If it does not occur. */
  async editConfig(from: string | RegExp, to: string): Promise<void> {
    const text = await Deno.readTextFile(this.configPath);
    const occurs = typeof from === "string" ? text.includes(from) : from.test(text);
    if (!occurs) throw new Error(`Cannot edit the configuration: ${from} does not occur in it`);
    await Deno.writeTextFile(this.configPath, text.replace(from, to));
  }

  /** Sends one request to the control socket. */
  async request(command: string, args: readonly string[] = []): Promise<Answer> {
    const conn = await Deno.connect({ transport: "unix", path: this.socketPath });
    await conn.write(new TextEncoder().encode(`${JSON.stringify({ command, args })}\n`));
    return JSON.parse(await new Response(conn.readable).text());
  }

  /** The data of an answer. @throws {Error} With the daemon's error. */
  async ask(command: string, args: readonly string[] = []): Promise<unknown> {
    const { success, data, error } = await this.request(command, args);
    if (!success) throw new Error(error);
    return data;
  }

  async askStatus(): Promise<StatusReport> {
    return await this.ask("status") as StatusReport;
  }

  async askList(): Promise<EndpointReport[]> {
    return await this.ask("list") as EndpointReport[];
  }

  /**
   * Asks again and again until `done` holds.
   *
   * @throws {Error} After `timeoutMs`, with the end of the log.
   */
  until(what: string, done: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
    return waitUntil(what, done, { timeoutMs, log: this.log });
  }

  /** Waits until `count` endpoints are active, and returns the list. */
  async active(count: number): Promise<EndpointReport[]> {
    await this.until(`${count} active`, async () => (await this.askStatus()).active_count === count);
    return await this.askList();
  }

  /** Waits until the daemon lists `count` endpoints, and returns them. */
  async settled(count: number): Promise<EndpointReport[]> {
    let rows: EndpointReport[] = [];
    await this.until(`${count} endpoints listed`, async () => (rows = await this.askList()).length === count);
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cloud[Symbol.asyncDispose]();
    await Deno.remove(this.directory, { recursive: true }).catch(() => {});
  }
}

/** The place of a daemon's files. */
export interface HarnessOptions {
  readonly directory: string;
  /** The default paths below /etc and /run instead of paths below `directory`. */
  readonly shipped?: boolean | undefined;
}

/** An answer of the control socket. */
export interface Answer {
  readonly success: boolean;
  readonly data?: unknown;
  readonly error?: string;
  readonly hint?: string;
}

/** A port that nothing listens on now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
