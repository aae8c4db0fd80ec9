import assert from "node:assert/strict";
import { type InsideOptions, testInside } from "./namespace.ts";
import { NEEDS_ROOT, NEEDS_STRACE, ROOT_REASON, STRACE_REASON } from "./needs_root.ts";

/** Registers a test that needs root and namespaces. */
export function testRoot(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${ROOT_REASON}`, ignore: NEEDS_ROOT, fn });
}

/** Registers a test that watches system calls, too. */
export function testTraced(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${STRACE_REASON}`, ignore: NEEDS_STRACE, fn });
}

/** Demands that all tests of a file pass in namespaces of their own, that there are some, and that none is skipped. */
export async function passes(file: string, options?: InsideOptions): Promise<void> {
  const { code, text } = await testInside(file, options);
  assert.equal(code, 0, text);
  assert.match(text, /ok \| [1-9][0-9]* passed/);
  assert.doesNotMatch(text, /\| [1-9][0-9]* ignored/);
}
