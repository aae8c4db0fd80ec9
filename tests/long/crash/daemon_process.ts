import { flagsOfSet, permissionFlags } from "../../../scripts/permission_flags.ts";
import { readLines } from "../../../sim/read_lines.ts";
import { sendSignal } from "../../../sim/send_signal.ts";
import { waitUntil } from "../../../sim/wait_until.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;

/** The command line of ngrokd as it ships. */
export const PROGRAM: readonly string[] = [
  ...[Deno.execPath(), "run", `--config=${ROOT}deno.json`, "--no-prompt", "--quiet"],
  ...permissionFlags("ngrokd", flagsOfSet("ngrokd_dns")),
  `${ROOT}main.ts`,
];

/** A running daemon. */
export class DaemonProcess {
  readonly startedAt: number = performance.now();
  readonly pid: number;
  /** The log, and the lines of standard error that `onErrorLine` did not take. */
  readonly log: string[] = [];
  /** The end of the process, once its output is read. */
  readonly ended: Promise<Deno.CommandStatus>;
  #hasEnded = false;

  constructor(argv: readonly string[], options: DaemonProcessOptions = {}) {
    const { onErrorLine = () => false } = options;
    const [command, ...args] = argv;
    const pipes = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
    const child = new Deno.Command(command!, { args, ...pipes }).spawn();
    this.pid = child.pid;
    const reading = Promise.all([
      this.#readLog(child.stdout, () => false),
      this.#readLog(child.stderr, (line) => onErrorLine(line, child.pid)),
    ]);
    this.ended = child.status.then(async (status) => {
      await reading;
      this.#hasEnded = true;
      return status;
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Sends a signal, unless the daemon has ended. */
  kill(signal: Deno.Signal): void {
    sendSignal(this.pid, signal);
  }

  /** Waits until `done` holds. @throws {Error} If the daemon ends first, or after `timeoutMs`. */
  until(what: string, done: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
    return waitUntil(what, done, { timeoutMs, log: this.log, hasEnded: () => this.#hasEnded });
  }

  async #readLog(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    isOther: (line: string) => boolean,
  ): Promise<void> {
    for await (const line of readLines(stream)) if (!isOther(line)) this.log.push(line);
  }
}

/** Options of {@linkcode DaemonProcess}. */
export interface DaemonProcessOptions {
  /** Called with each line of standard error; returns true if the line is not the daemon's. */
  readonly onErrorLine?: (line: string, pid: number) => boolean;
}
