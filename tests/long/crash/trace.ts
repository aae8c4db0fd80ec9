import { dirname } from "node:path";
import type { DaemonHarness } from "../../../sim/daemon_harness.ts";
import { sendSignal } from "../../../sim/send_signal.ts";
import { STATE_FILES } from "../../../src/model/state_files.ts";
import { TEMPORARY } from "./leftovers.ts";

/** The files in the state directory that the daemon writes. */
export const WRITTEN_FILES: readonly string[] = [
  ...["config.yml", "tls.key", "tls.crt"],
  ...Object.values(STATE_FILES),
];

const CALLS =
  "?open,?creat,openat,write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,?rename,renameat,renameat2,link,linkat," +
  "?unlink,unlinkat,?chmod,fchmod,fchmodat,?chown,fchown,?lchown,fchownat,?mkdir,mkdirat";
/**
 * `1234  write(25</etc/hosts.ngrokd.tmp>, …) = 156` and
 * `1234  openat(AT_FDCWD</>, "/etc/hosts", … <unfinished ...>`.
 */
const CALL = /^(\d+) +(\w+)\((?:AT_FDCWD<[^>]*>, )?(?:\d+<([^>]*)>|"([^"]*)")/;
const RESUMED = /^(\d+) +<\.\.\. \w+ resumed>/;
const OTHER = /^\d+ +(---|\+\+\+|<\.\.\.)/;
/** The name of an `openat` that only reads. */
const READ = "read";
/** The kill arrives within this time, also on a busy machine. */
const HOLD_MS = 15;

/**
 * The system calls of a daemon on its files; kills the daemon after one of them.
 *
 * The option `signal=KILL:when=k` of strace counts the calls of each thread, and Deno spreads the
 * calls over threads. Therefore strace only holds each call for a moment after it is done. This
 * class counts the calls, and kills the daemon during the hold, before its next call.
 */
export class Trace {
  /** The calls so far; `rename /etc/hosts.ngrokd.tmp 2` is the second one of its kind. */
  readonly calls: string[] = [];
  readonly #watched: readonly string[];
  readonly #target: string | undefined;
  readonly #counts = new Map<string, number>();
  /** The call that a thread is in. */
  readonly #unfinished = new Map<string, string>();
  #hasKilled = false;

  /** @param target The call to kill after; without one the daemon is only traced. */
  constructor(paths: Pick<DaemonHarness, "etc" | "hostsPath" | "socketPath">, target?: string) {
    const { etc, hostsPath, socketPath } = paths;
    const written = [hostsPath, ...WRITTEN_FILES.map((name) => `${etc}/${name}`)];
    this.#watched = [...written.flatMap((path) => [path, path + TEMPORARY]), dirname(socketPath), socketPath];
    this.#target = target;
  }

  get hasKilled(): boolean {
    return this.#hasKilled;
  }

  /** True if the daemon made no further call on the file before the kill arrived. */
  get isExact(): boolean {
    const target = this.#target ?? "";
    const after = this.calls.slice(this.calls.indexOf(target) + 1);
    return this.#hasKilled && after.every((call) => fileOf(call) !== fileOf(target));
  }

  /** True if a call only reads. The number of reads of a file varies with the timing. */
  static isRead(call: string): boolean {
    return call.startsWith(`${READ} `);
  }

  /** The words that come before the program. */
  get prefix(): string[] {
    return [
      ...["strace", "-D", "-f", "--seccomp-bpf", "-y", "-q", "-o", "/dev/stderr", "-e", "signal=none"],
      ...["-e", `trace=${CALLS}`, "-e", `inject=${CALLS}:delay_exit=${HOLD_MS * 1000}`],
      ...this.#watched.flatMap((path) => ["-P", path]),
    ];
  }

  /** Takes a line of standard error; returns false if it is not from strace. */
  readonly takeLine = (line: string, pid: number): boolean => {
    const [, thread = "", name, descriptor, path] = CALL.exec(line) ?? [];
    if (name !== undefined) {
      const call = `${line.includes("O_RDONLY") ? READ : name} ${descriptor ?? path}`;
      if (line.endsWith("<unfinished ...>")) this.#unfinished.set(thread, call);
      else this.#add(call, pid);
      return true;
    }
    const call = this.#unfinished.get(RESUMED.exec(line)?.[1] ?? "");
    if (call !== undefined) this.#add(call, pid);
    return OTHER.test(line);
  };

  #add(call: string, pid: number): void {
    const count = (this.#counts.get(call) ?? 0) + 1;
    this.#counts.set(call, count);
    this.calls.push(`${call} ${count}`);
    if (this.calls.at(-1) !== this.#target) return;
    this.#hasKilled = true;
    sendSignal(pid, "SIGKILL");
  }
}

function fileOf(call: string): string {
  return (call.split(" ")[1] ?? "").replace(TEMPORARY, "");
}
