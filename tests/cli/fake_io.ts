import type { CtlIo } from "../../src/cli/io.ts";
import { runCtl } from "../../src/cli/run.ts";

/** The output and exit code of a run of `ngrokctl`. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `ngrokctl` in this process. Every effect that the test does not provide fails. */
export async function runFake(argv: readonly string[], effects: Partial<CtlIo> = {}): Promise<Ran> {
  let out = "";
  let err = "";
  function refuse(): never {
    throw new Error("The test did not expect this");
  }
  const io: CtlIo = {
    writeOut: (text) => out += text,
    writeErr: (text) => err += text,
    isInteractive: () => false,
    readStdin: refuse,
    promptSecret: refuse,
    readEnvironment: () => undefined,
    operatingSystem: () => "linux",
    connect: refuse,
    sendHttp: refuse,
    runInteractive: refuse,
    exists: refuse,
    checkConfig: refuse,
    ...effects,
  };
  const code = await runCtl(argv, io);
  return { code, out, err };
}
