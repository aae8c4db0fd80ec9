/** A hosts file watched from outside: how often it was replaced or written, and when. */
export interface HostsWatch extends AsyncDisposable {
  /** How often it has changed so far. */
  readonly writes: number;
}

const EVERY_MS = 10;

/** Looks at inode and time of the file every 10 ms until it is disposed. */
export function watchHosts(path: string): HostsWatch {
  let writes = 0;
  let stopped = false;
  async function look(): Promise<void> {
    for (let last = await stampOf(path); !stopped;) {
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      const now = await stampOf(path);
      if (now !== last) writes++;
      last = now;
    }
  }
  const looking = look();
  return {
    get writes() {
      return writes;
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      await looking;
    },
  };
}

/** Inode, size and time of a file; `""` while there is none. */
export async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtime } = await Deno.stat(path);
    return `${ino} ${size} ${mtime?.getTime()}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
