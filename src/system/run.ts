import { CANNOT_START, CommandError, messageOf } from "../model/errors.ts";
import { limitTime } from "./clock.ts";

/**
 * Runs a program to its end, without a shell and with an empty environment.
 *
 * @throws {CommandError} If the program cannot start, fails or exceeds the time limit.
 */
export async function run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> {
  const [program, ...args] = argv;
  using limit = limitTime(options.timeoutMs, { signal: options.signal });
  const failed = (state: string, exitCode: number, stderr: string, cause?: unknown) =>
    new CommandError(`Cannot run "${argv.join(" ")}": ${state}`, { argv, exitCode, stderr, cause });
  // PATH may lead to a hostile program.
  if (!program.startsWith("/")) throw failed("it is not an absolute path", -1, "");
  if (limit.signal.aborted) throw failed("it was stopped", -1, "");
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args,
      stdin: options.input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      clearEnv: true,
    }).spawn();
  } catch (error) {
    throw failed(messageOf(error), CANNOT_START, "", error);
  }
  // A program that ends without reading its input tells why.
  if (options.input !== undefined) {
    void new Blob([options.input]).stream().pipeTo(child.stdin).catch(() => {});
  }
  limit.signal.addEventListener("abort", () => killQuietly(child), { once: true });
  const [stdout, stderr, status] = await Promise.all([
    readUntil(child.stdout, limit.signal),
    readUntil(child.stderr, limit.signal),
    child.status,
  ]);
  if (limit.isOver) throw failed(`it did not end within ${options.timeoutMs / 1000} s`, status.code, stderr);
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

/** Options of {@linkcode run}. */
export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The standard input. @default {none} */
  readonly input?: string;
}

/** The output of a program. */
export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Reads the stream to its end or until the signal aborts, because a child of the program can keep
 * the pipe open.
 */
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
    // The program has already ended.
  }
}

/**
 * Runs a program on this terminal and returns its exit code.
 *
 * @throws {CommandError} If it cannot be started.
 */
export async function runInteractive(argv: readonly [string, ...string[]]): Promise<number> {
  const [program, ...args] = argv;
  try {
    const child = new Deno.Command(program, { args, stdin: "inherit", stdout: "inherit", stderr: "inherit" })
      .spawn();
    return (await child.status).code;
  } catch (error) {
    throw new CommandError(`Cannot run "${program}": ${messageOf(error)}`, {
      argv,
      exitCode: CANNOT_START,
      stderr: "",
      cause: error,
    });
  }
}
