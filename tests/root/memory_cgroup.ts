import { shell } from "./commands.ts";

const MIB = 2 ** 20;

/**
 * Shell lines that create a cgroup with a limit and set `at` to its directory: below the own cgroup
 * with v1, and with v2 below the nearest one that passes the memory controller on.
 */
export function createLines(limitMiB: number): string {
  return `
root=/sys/fs/cgroup
v1=$(sed -n 's/^[0-9]*:\\([a-z,]*,\\)\\{0,1\\}memory\\(,[a-z,]*\\)\\{0,1\\}:\\(.*\\)$/\\3/p' /proc/self/cgroup)
if [ -n "$v1" ]; then
  parent=$root/memory$v1
else
  parent=$root$(sed -n 's/^0:://p' /proc/self/cgroup)
  while [ "$parent" != $root ] && ! grep -qsw memory "$parent/cgroup.subtree_control"; do
    parent=$(dirname "$parent")
  done
fi
at=\${parent%/}/ngrokd-test-${crypto.randomUUID().slice(0, 8)}
mkdir "$at"
limit=$((${limitMiB} * 1048576))
if [ -e "$at/memory.max" ]; then
  echo $limit >"$at/memory.max"
  echo 0 2>/dev/null >"$at/memory.swap.max" || true
elif [ -e "$at/memory.limit_in_bytes" ]; then
  echo $limit >"$at/memory.limit_in_bytes"
  # v1 counts the kernel's buffers of connections apart, and only where they have a limit.
  echo 1000000000000 2>/dev/null >"$at/memory.kmem.tcp.limit_in_bytes" || true
else
  rmdir "$at"
  exit 1
fi
`;
}

/**
 * A cgroup of its own with a limit of memory. Root only; a container whose cgroups cannot be
 * changed has none.
 */
export class MemoryCgroup implements AsyncDisposable {
  readonly #at: string;

  constructor(at: string) {
    this.#at = at;
  }

  /** Creates it. @throws {Error} If the cgroups of this machine cannot be changed. */
  static async create(limitMiB: number): Promise<MemoryCgroup> {
    const at = await shell(`${createLines(limitMiB)}\necho "$at"`);
    return new MemoryCgroup(at.trim());
  }

  /** Shell lines that move the process which runs them into it. */
  get enter(): string {
    return `echo $$ >'${this.#at}/cgroup.procs'`;
  }

  /** Reads the use of memory so far. */
  async usage(): Promise<MemoryUsage> {
    const text = await shell(`cd '${this.#at}'
      if [ -e memory.peak ]; then
        cat memory.peak
        sed -n 's/^oom_kill //p' memory.events
      else
        cat memory.max_usage_in_bytes
        sed -n 's/^oom_kill //p' memory.oom_control
        cat memory.kmem.tcp.max_usage_in_bytes
      fi`);
    const [peak, kills, buffers] = text.trim().split("\n").map(Number);
    return {
      peakMiB: peak! / MIB,
      kills: kills!,
      ...(buffers === undefined ? {} : { bufferPeakMiB: buffers / MIB }),
    };
  }

  /** Removes it. All its processes must have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await shell(`for try in 1 2 3 4 5 6 7 8 9 10; do
      rmdir '${this.#at}' 2>/dev/null && exit 0; sleep 0.2
    done; rmdir '${this.#at}'`);
  }
}

/** The use of memory in a cgroup since it was created. */
export interface MemoryUsage {
  readonly peakMiB: number;
  /** Processes that the kernel killed. */
  readonly kills: number;
  /** The most that the kernel's buffers took; only with v1, where `peakMiB` lacks them. */
  readonly bufferPeakMiB?: number;
}
