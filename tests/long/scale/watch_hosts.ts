/** A hosts file watched from outside: how often it was replaced or written, and when. */
export interface HostsWatch extends AsyncDisposable {
  /** How often it has changed so far; looks once more, so that what is there already counts. */
  writes(): Promise<number>;
}

const EVERY_MS = 10;

/** Looks at inode and time of the file every 10 ms until it is disposed. */
export function watchHosts(path: string): HostsWatch {
  let writes = 0;
  let stopped = false;
  let last: string | undefined;
  // One look after the other: an older stamp must not come after a newer one.
  let looks = Promise.resolve();
  function look(): Promise<void> {
    return looks = looks.then(async () => {
      const now = await stampOf(path);
      if (last !== undefined && now !== last) writes++;
      last = now;
    });
  }
  async function keepLooking(): Promise<void> {
    for (await look(); !stopped; await look()) {
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }
  const looking = keepLooking();
  return {
    async writes() {
      await look();
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
