import { HOSTS, kill, SOCKET, STATE, TEMPORARY } from "./machine.ts";
import { dirname } from "node:path";

/** The files of the state directory that the daemon writes. */
export const STATE_FILES: readonly string[] = [
  ...["config.yml", "registration_mark", "operator_id", "tls.pending", "tls.key", "tls.crt"],
  ...[
    "ip_mappings.json",
    "network_ports.json",
    "endpoints.json",
    "net_subnet.json",
    "journal.json",
    "last_renewal.json",
    "ingress_endpoint.json",
  ],
];

const REPLACED = [HOSTS, ...STATE_FILES.map((name) => `${STATE}/${name}`)];
const WATCHED = [...REPLACED.flatMap((path) => [path, path + TEMPORARY]), dirname(SOCKET), SOCKET];
const CALLS =
  "?open,?creat,openat,write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,?rename,renameat,renameat2,link,linkat," +
  "?unlink,unlinkat,?chmod,fchmod,fchmodat,?chown,fchown,?lchown,fchownat,?mkdir,mkdirat";
/** `1234  write(25</etc/hosts.ngrokd.tmp>, …) = 156`, `1234  openat(AT_FDCWD</>, "/etc/hosts", … <unfinished ...>`. */
const CALL = /^(\d+) +(\w+)\((?:AT_FDCWD<[^>]*>, )?(?:\d+<([^>]*)>|"([^"]*)")/;
const RESUMED = /^(\d+) +<\.\.\. \w+ resumed>/;
const OTHER = /^\d+ +(---|\+\+\+|<\.\.\.)/;
/** An `openat` that only reads. */
const READ = "read";
/** Long enough to be killed in, also on a busy machine. */
const HOLD_MS = 15;

/**
 * The system calls of a daemon on its files, which end it at one of them.
 *
 * strace's own `signal=KILL:when=k` counts for each thread apart, and Deno spreads the calls over threads: so each call is held for a
 * moment when it is done, it is counted here, and the daemon is killed while it is held. That is where a kill at the next one would
 * find it.
 */
export class Trace {
  /** `rename /etc/hosts.ngrokd.tmp 2` is the second of these. */
  readonly calls: string[] = [];
  readonly #target: string | undefined;
  readonly #times = new Map<string, number>();
  /** By thread: the call that it is in. */
  readonly #unfinished = new Map<string, string>();
  #sent = false;

  /** Without a target the daemon lives. */
  constructor(target?: string) {
    this.#target = target;
  }

  /** Whether the signal was sent. */
  get sent(): boolean {
    return this.#sent;
  }

  /** Whether the daemon came to nothing more on the file after its call. */
  get hit(): boolean {
    const file = fileOf(this.#target ?? "");
    const after = this.calls.slice(this.calls.indexOf(this.#target ?? "") + 1);
    return this.#sent && after.every((call) => fileOf(call) !== file);
  }

  /** Whether a call only reads: how often the daemon looks at a file depends on the time it takes. */
  static isRead(call: string): boolean {
    return call.startsWith(`${READ} `);
  }

  /** What comes before the program. */
  get prefix(): string[] {
    return [
      ...["strace", "-D", "-f", "--seccomp-bpf", "-y", "-q", "-o", "/dev/stderr", "-e", "signal=none"],
      ...["-e", `trace=${CALLS}`, "-e", `inject=${CALLS}:delay_exit=${HOLD_MS * 1000}`],
      ...WATCHED.flatMap((path) => ["-P", path]),
    ];
  }

  /** A line of strace; false if it is none. */
  readonly takeLine = (line: string, pid: number): boolean => {
    const [, thread = "", name, descriptor, path] = CALL.exec(line) ?? [];
    if (name !== undefined) {
      const what = `${line.includes("O_RDONLY") ? READ : name} ${descriptor ?? path}`;
      if (line.endsWith("<unfinished ...>")) this.#unfinished.set(thread, what);
      else this.#take(what, pid);
      return true;
    }
    const what = this.#unfinished.get(RESUMED.exec(line)?.[1] ?? "");
    if (what !== undefined) this.#take(what, pid);
    return OTHER.test(line);
  };

  #take(what: string, pid: number): void {
    const times = (this.#times.get(what) ?? 0) + 1;
    this.#times.set(what, times);
    this.calls.push(`${what} ${times}`);
    if (this.calls.at(-1) !== this.#target) return;
    this.#sent = true;
    kill(pid, "SIGKILL");
  }
}

function fileOf(call: string): string {
  return (call.split(" ")[1] ?? "").replace(TEMPORARY, "");
}
