import { CommanderError } from "@commander-js/extra-typings";
import { PROGRAMS_VARIABLE, withPrograms } from "../lib/own_commands.ts";
import { EXIT, failureJson, failureText, toFailure } from "./failure.ts";
import type { CtlIo } from "./io.ts";
import { createProgram } from "./program.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Runs `ngrokctl` with these arguments and returns its exit code: 0 success, 1 failure (of
 * `status`: nothing is served), 2 wrong usage, 3 the daemon is not running.
 */
export async function runCtl(argv: readonly string[], io: CtlIo): Promise<number> {
  let usage = "";
  let exitCode: number = EXIT.ok;
  const program = createProgram(io, {
    writeOut: (text) => io.writeOut(text),
    writeErr: (text) => usage += text,
    exitWith: (code) => exitCode = code,
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    const failure = toFailure(error instanceof CommanderError ? toUsageError(error, usage) : error);
    // Not read from the options: they are not parsed if the command line is wrong.
    const text = argv.includes("--json") ? failureJson(failure) : failureText(failure);
    io.writeErr(withPrograms(text, io.readEnvironment(PROGRAMS_VARIABLE)));
    return failure.exitCode;
  }
}

function toUsageError(error: CommanderError, usage: string): UsageError {
  if (error.code === "commander.help") return new UsageError("A command is required", { usage });
  // Commander repeats surplus arguments, and an API key with a space in it is two arguments.
  const echo = error.code === "commander.excessArguments" ? / but got [^]*$/ : "";
  const message = error.message.replace(/^error: /, "").replace(echo, "");
  return new UsageError(message, { hint: "See: ngrokctl help" });
}
