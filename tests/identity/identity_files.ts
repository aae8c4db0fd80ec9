import { checkTlsPair } from "../../src/system/tls_pair.ts";
import { type IdentityFiles, IdentityStore, type StoredIdentity } from "../../src/identity/store.ts";
import * as files from "../../src/system/files.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import type { TestPair } from "../fakes/test_ca.ts";

const WRITES = ["makeDirectory", "removeFile", "renameFile", "writeFileAtomic"] as const;

/** A state directory that does not exist yet, and stores that use it. */
export interface IdentityDirectory extends AsyncDisposable {
  readonly directory: string;
  path(name: string): string;
  /** A store, by default on the real files. */
  store(changes?: Partial<IdentityFiles>): IdentityStore;
  read(name: string): Promise<string | undefined>;
  write(name: string, text: string, options?: Deno.WriteFileOptions): Promise<void>;
  mode(name: string): Promise<number>;
}

/** Prepares the directory, which goes with its scope. */
export async function identityDirectory(): Promise<IdentityDirectory> {
  const root = await temporaryDirectory();
  const directory = `${root.path}/ngrokd`;
  const path = (name: string) => `${directory}/${name}`;
  return {
    directory,
    path,
    store: (changes = {}) =>
      new IdentityStore({
        directory,
        certPath: path("tls.crt"),
        keyPath: path("tls.key"),
        files: { ...files, ...changes },
        checkTls: checkTlsPair,
      }),
    read: (name) => files.readTextIfAny(path(name)),
    async write(name, text, options) {
      await Deno.mkdir(directory, { recursive: true });
      const mode = ["tls.key", "tls.pending"].includes(name) ? 0o600 : 0o644;
      await Deno.writeTextFile(path(name), text, { mode, ...options });
    },
    mode: async (name) => ((await Deno.lstat(path(name))).mode ?? 0) & 0o7777,
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

/** Writes that fail from the k-th on (from 0), before or after it is done, as after a SIGKILL. */
export function killedAt(k: number, when: "before" | "after"): Partial<IdentityFiles> {
  let done = 0;
  const writes = WRITES.map((name) => {
    const write = files[name] as (...args: unknown[]) => Promise<void>;
    return [name, async (...args: unknown[]) => {
      const step = done++;
      if (step > k || (step === k && when === "before")) throw new Error("killed");
      await write(...args);
      if (step === k) throw new Error("killed");
    }];
  });
  return Object.fromEntries(writes);
}

/** Certificate and key as texts. */
export function textsOf({ pair }: StoredIdentity): TestPair | undefined {
  return pair === undefined ? undefined : { cert: pair.cert, key: pair.key };
}
