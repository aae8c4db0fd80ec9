/** A shell command that runs this code as a module; its imports are relative to this directory. */
export function moduleCommand(code: string, options: ModuleOptions = {}): Deno.Command {
  const {
    permissions = ["--allow-read", "--allow-write=/tmp", "--allow-sys=uid"],
    shell = 'exec "$@"',
    env = {},
    stdin = "null",
  } = options;
  const source = code.replaceAll(
    /from "(\.[^"]*)"/g,
    (_, path) => `from "${new URL(path, import.meta.url)}"`,
  );
  const script = Deno.makeTempFileSync({ suffix: ".ts" });
  Deno.writeTextFileSync(script, source);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const args = [
    Deno.execPath(),
    "run",
    "--no-prompt",
    "--no-check",
    "--quiet",
    "--no-lock",
    `--config=${config}`,
    ...permissions,
    script,
  ];
  return new Deno.Command("/bin/sh", {
    stdin,
    stdout: "piped",
    stderr: "piped",
    args: ["-c", `(${shell}); code=$?; rm -f ${script}; exit $code`, "sh", ...args],
    env,
  });
}

/** Options of {@linkcode runModule}. */
export interface ModuleOptions {
  /** The permission flags. @default {["--allow-read", "--allow-write=/tmp", "--allow-sys=uid"]} */
  readonly permissions?: readonly string[];
  /** A shell line that ends in `"$@"`, which runs the code. @default {'exec "$@"'} */
  readonly shell?: string;
  readonly env?: Record<string, string>;
  /** @default {"null"} */
  readonly stdin?: "piped" | "null";
}

/** Runs this code as a module in a process of its own. */
export async function runModule(
  code: string,
  options: ModuleOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code: exitCode, stdout, stderr } = await moduleCommand(code, options).output();
  const decoder = new TextDecoder();
  return { code: exitCode, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
