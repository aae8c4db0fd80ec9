import assert from "node:assert/strict";
import { machineState, shell } from "../root/commands.ts";
import { ClientStage, type ClientStageOptions, type Mode } from "./client_stage.ts";

/** The exact name and a name below the wildcard of the endpoints of a {@linkcode NameStage}. */
export const EXACT = "a.example.com";
export const BELOW_WILDCARD = "x.y.apps.example.com";

/** The files of a machine without systemd-resolved. */
export const HOSTS = "127.0.0.1\tlocalhost\n";
export const RESOLV_CONF = "search lan\nnameserver 192.0.2.53\n";

/** The time after which another hosts file or resolv.conf is noticed (R100). */
const NOTICED_MS = 2000;

/** A daemon with an exact name and a wildcard, and a client on the same machine that finds them. */
export class NameStage implements AsyncDisposable {
  readonly #daemon: ClientStage;
  readonly #find: FindName;
  /** The machine before the start of the daemon. */
  readonly #before: Record<string, string>;

  constructor(daemon: ClientStage, { find, before }: { find: FindName; before: Record<string, string> }) {
    this.#daemon = daemon;
    this.#find = find;
    this.#before = before;
  }

  /** Prepares /etc by shell lines, starts the daemon and waits until both endpoints are active. */
  static async open({ find, etc = "", ...options }: NameStageOptions): Promise<NameStage> {
    await Deno.writeTextFile("/etc/hosts", HOSTS);
    await Deno.writeTextFile("/etc/resolv.conf", RESOLV_CONF);
    await shell(`mkdir -p -m 700 /etc/ngrokd\n${etc}`);
    const before = await machineState();
    const endpoints = { [`http://${EXACT}`]: "http", "http://*.apps.example.com": "http" } as const;
    return new NameStage(await ClientStage.open({ ...options, endpoints }), { find, before });
  }

  /** Waits until the client finds a name. */
  async untilFound(name: string): Promise<void> {
    await this.#daemon.stage.until(`${name} is found`, () => this.finds(name));
  }

  async finds(name: string): Promise<boolean> {
    const { argv, shows } = this.#find(name);
    const { code, stdout } = await this.#daemon.run(argv);
    return code === 0 && shows.test(stdout);
  }

  /** Runs a tool that takes a name away, and demands that the client finds it again in 2 s. */
  async assertRestored(tool: string, { name, script }: { name: string; script: string }): Promise<void> {
    await shell(script);
    const started = performance.now();
    await this.untilFound(name);
    const ms = performance.now() - started;
    assert.ok(ms < NOTICED_MS, `${tool}: ${ms} ms`);
  }

  /** Returns the report about the resolver in `status`. */
  async resolver(): Promise<{ readonly driver: string; readonly reason: string | null }> {
    return (await this.#daemon.stage.askStatus()).dns.resolver;
  }

  /** Stops the daemon and demands that nothing of it is left on the machine. */
  async assertLeavesNothing(): Promise<void> {
    assert.equal(await this.#daemon.stage.stopDaemon(), 0);
    assert.deepEqual(await machineState(), this.#before);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#daemon[Symbol.asyncDispose]();
  }
}

/** The command with which a client looks up a name, and the output that shows that it found it. */
export interface NameLookup {
  readonly argv: readonly string[];
  readonly shows: RegExp;
}

type FindName = (name: string) => NameLookup;

/** The parts of a {@linkcode NameStage} that differ between tests. */
export interface NameStageOptions extends Pick<ClientStageOptions, "mode" | "dns"> {
  readonly mode: Mode;
  readonly find: FindName;
  /** Shell lines that prepare /etc. */
  readonly etc?: string;
}

/** Shell: a container's hosts file and resolv.conf, which are mounted one by one. */
export const MOUNTED_FILES = ["hosts", "resolv.conf"].map((name) =>
  `cp -p /etc/${name} /run/${name}; mount --bind /run/${name} /etc/${name}`
).join("\n");
