import { writeErr } from "../../src/system/terminal.ts";

/** Prints each problem as a line on standard error, and returns the exit code of the task. */
export function reportProblems(problems: readonly string[]): number {
  for (const problem of problems) writeErr(`Problem: ${problem}\n`);
  return problems.length === 0 ? 0 : 1;
}

/**
 * Reads the arguments of this process as whole numbers from 1. An argument that is left out has its
 * default. Returns undefined, and prints the usage, if an argument is something else.
 */
export function readNumbers<const T extends readonly number[]>(
  usage: string,
  defaults: T,
): { [K in keyof T]: number } | undefined {
  const given = Deno.args.map(Number);
  if (given.length > defaults.length || !given.every((value) => Number.isSafeInteger(value) && value >= 1)) {
    writeErr(`Usage: deno task ${usage}\n`);
    return undefined;
  }
  return defaults.map((value, index) => given[index] ?? value) as { [K in keyof T]: number };
}

/** A random seed; a task prints it, so that a run can be repeated. */
export function randomSeed(): number {
  return 1 + Math.floor(Math.random() * 1e9);
}
