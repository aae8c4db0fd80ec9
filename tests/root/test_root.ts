import assert from "node:assert/strict";
import { INSIDE, type InsideOptions, runInside } from "./namespace.ts";
import {
  CGROUP_REASON,
  NEEDS_CGROUP,
  NEEDS_ROOT,
  NEEDS_STRACE,
  ROOT_REASON,
  STRACE_REASON,
} from "./needs_root.ts";

/**
 * Returns a function that registers tests which run as root in namespaces of their own. Each test
 * starts its file again in there; it passes if the test of the same name passes in there.
 *
 * @param file The caller's `import.meta.url`.
 */
export function rootTests(file: string, options: RootOptions = {}): typeof testRoot {
  if (Deno.env.get(INSIDE) !== undefined) return (name, fn) => Deno.test(name, fn);
  const { memoryCgroup = false, prepare = () => Promise.resolve(), ...inside } = options;
  const test = memoryCgroup ? testCgroup : testRoot;
  return (name) =>
    test(name, async () => {
      await prepare();
      await passes(file, { ...inside, filter: name });
    });
}

/** Options of {@linkcode rootTests}. */
export interface RootOptions extends InsideOptions {
  /** True if the tests also need a cgroup with a limit of memory. */
  readonly memoryCgroup?: boolean;
  /** Runs before each test, outside of its namespaces. */
  readonly prepare?: () => Promise<void>;
}

/** Registers a test that needs root and namespaces. */
export function testRoot(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${ROOT_REASON}`, ignore: NEEDS_ROOT, fn });
}

/** Registers a test that also needs a cgroup with a limit of memory. */
export function testCgroup(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${CGROUP_REASON}`, ignore: NEEDS_CGROUP, fn });
}

/** Registers a test that also traces system calls. */
export function testTraced(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${STRACE_REASON}`, ignore: NEEDS_STRACE, fn });
}

/** Demands that the tests of a file pass in namespaces of their own, and that none is skipped. */
export async function passes(file: string, options?: InsideOptions): Promise<void> {
  const { code, text } = await runInside(file, options);
  assert.equal(code, 0, text);
  assert.match(text, /ok \| [1-9][0-9]* passed/);
  assert.doesNotMatch(text, /\| [1-9][0-9]* ignored/);
}
