import { CommandError, messageOf } from "../model/errors.ts";
import { limitTime } from "./clock.ts";

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
  using limit = limitTime(options.timeoutMs, { signal: options.signal });
  const failed = (state: string, exitCode: number, stderr: string, cause?: unknown) =>
    new CommandError(`Cannot run "${argv.join(" ")}": ${state}`, { argv, exitCode, stderr, cause });
  // What PATH leads to may be anybody's.
  if (!program.startsWith("/")) throw failed("it is not an absolute path", -1, "");
  if (limit.signal.aborted) throw failed("it was stopped", -1, "");
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      clearEnv: true,
    }).spawn();
  } catch (error) {
    throw failed(messageOf(error), -1, "", error);
  }
  limit.signal.addEventListener("abort", () => killQuietly(child), { once: true });
  const [stdout, stderr, status] = await Promise.all([
    readUntil(child.stdout, limit.signal),
    readUntil(child.stderr, limit.signal),
    child.status,
  ]);
  if (limit.isOver) throw failed(`no end in ${options.timeoutMs / 1000} s`, status.code, stderr);
  if (limit.signal.aborted) throw failed("it was stopped", status.code, stderr);
  if (!status.success) {
    throw failed(
      `exit code ${status.code}: ${stderr.trim() || stdout.trim() || "no output"}`,
      status.code,
      stderr,
    );
  }
  return { stdout, stderr };
}

/** All text of the stream, or what came until the signal: a child of the program can hold the pipe open after it. */
async function readUntil(stream: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<string> {
  const reader = stream.getReader();
  signal.addEventListener("abort", () => void reader.cancel().catch(() => {}), { once: true });
  const decoder = new TextDecoder();
  let text = "";
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    text += decoder.decode(chunk.value, { stream: true });
  }
  return text + decoder.decode();
}

function killQuietly(child: Deno.ChildProcess): void {
  try {
    // SIGTERM can be ignored.
    child.kill("SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** Runs a program with this terminal as its own and gives its exit code. @throws {CommandError} If it cannot be started. */
export async function runInteractive(argv: readonly [string, ...string[]]): Promise<number> {
  const [program, ...args] = argv;
  try {
    const child = new Deno.Command(program, { args, stdin: "inherit", stdout: "inherit", stderr: "inherit" })
      .spawn();
    return (await child.status).code;
  } catch (error) {
    throw new CommandError(`Cannot run "${program}": ${messageOf(error)}`, {
      argv,
      exitCode: -1,
      stderr: "",
      cause: error,
    });
  }
}
