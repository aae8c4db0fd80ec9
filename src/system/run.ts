import { CommandError, messageOf } from "../model/errors.ts";

/** A program to run: the absolute path first, then its arguments. */
export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a program printed. */
export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, without a shell and with an empty environment.
 *
 * @throws {CommandError} If it cannot be started, fails, or takes too long; it carries the output.
 */
export async function run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> {
  const [program, ...args] = argv;
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  const failed = (state: string, exitCode: number, stderr: string, cause?: unknown) =>
    new CommandError(`Cannot run "${argv.join(" ")}": ${state}`, { argv, exitCode, stderr, cause });
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "piped", clearEnv: true, signal }).output();
  } catch (error) {
    throw failed(messageOf(error), -1, "", error);
  }
  const decoder = new TextDecoder();
  const stdout = decoder.decode(output.stdout);
  const stderr = decoder.decode(output.stderr);
  if (timeout.aborted) throw failed(`no end in ${options.timeoutMs / 1000} s`, output.code, stderr);
  if (!output.success) throw failed(`exit code ${output.code}: ${stderr.trim() || stdout.trim() || "no output"}`, output.code, stderr);
  return { stdout, stderr };
}

/** Runs a program with this terminal as its own and gives its exit code. @throws {CommandError} If it cannot be started. */
export async function runInteractive(argv: readonly [string, ...string[]]): Promise<number> {
  const [program, ...args] = argv;
  try {
    const child = new Deno.Command(program, { args, stdin: "inherit", stdout: "inherit", stderr: "inherit" }).spawn();
    return (await child.status).code;
  } catch (error) {
    throw new CommandError(`Cannot run "${program}": ${messageOf(error)}`, { argv, exitCode: -1, stderr: "", cause: error });
  }
}
