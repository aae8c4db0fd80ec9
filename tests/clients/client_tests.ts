import assert from "node:assert/strict";
import { type RootOptions, rootTests } from "../root/test_root.ts";
import type { Mode } from "./client_stage.ts";

/**
 * Returns a function that registers tests of one real client in namespaces of their own, with an
 * /etc of their own. Their names, `CLIENT, MODE mode: RESULT`, are rows of docs/compatibility.md,
 * which `deno task clients` writes.
 *
 * @param file The caller's `import.meta.url`.
 */
export function clientTests(file: string, client: Client): RegisterClientTest {
  const test = rootTests(file, { etc: true, ...client.machine });
  return (mode, result, fn) =>
    test(`${client.name}, ${mode} mode: ${result}`, async () => {
      await assertInstalled(client);
      await fn();
    });
}

/** Registers a test of a client: `psql, network mode: connects by TLS on a shared port`. */
export type RegisterClientTest = (mode: Mode, result: string, fn: () => Promise<void>) => void;

/** A client, and the programs without which its tests fail. */
export interface Client {
  /** The name in the table of docs/compatibility.md. */
  readonly name: string;
  /** Programs by name or path, with the Debian package of each. */
  readonly programs: Readonly<Record<string, string>>;
  /** A machine of its own for the client, instead of this one with another /etc. */
  readonly machine?: Pick<RootOptions, "prepare" | "prelude">;
}

/** Demands that every program of the client is there: a missing client is a failure, not a skip. */
async function assertInstalled({ name, programs }: Client): Promise<void> {
  for (const [program, debianPackage] of Object.entries(programs)) {
    const { success } = await new Deno.Command("/bin/sh", {
      args: ["-c", 'command -v "$1" >/dev/null', "sh", program],
    }).output();
    assert.ok(success, `Cannot test ${name}: ${program} is missing; run apt-get install ${debianPackage}`);
  }
}
