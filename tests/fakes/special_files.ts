import assert from "node:assert/strict";

/** Makes a symbolic link. The permission set of the tests does not allow `Deno.symlink()`. */
export async function makeLink(target: string, path: string): Promise<void> {
  await runProgram("ln", ["-s", target, path]);
}

/** Makes a named pipe. */
export async function makeFifo(path: string): Promise<void> {
  await runProgram("mkfifo", [path]);
}

async function runProgram(program: string, args: string[]): Promise<void> {
  assert.ok((await new Deno.Command(program, { args }).output()).success);
}
