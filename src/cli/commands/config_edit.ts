import { CommandError, ConfigError, FileError } from "../../model/errors.ts";
import { problemText } from "../problem_text.ts";
import { safeText } from "../safe_text.ts";
import type { Session } from "../session.ts";

/** What the script exits with when it finds no file; editors use small numbers. */
const MISSING = 66;

/**
 * The path is "$1" and never part of the text. The editor's variable is evaluated, as git does, because it may hold arguments. A file that
 * this user may not write is edited as root.
 */
const EDIT = `
editor=\${EDITOR:-$VISUAL}
if [ -z "$editor" ]; then
  for editor in vi vim; do command -v "$editor" >/dev/null && break; done
fi
open='[ -e "$1" ] || exit ${MISSING}; eval "$2 \\"\\$1\\""'
[ -w "$1" ] || [ "$(id -u)" = 0 ] || exec sudo -- /bin/sh -c "$open" ngrokctl "$1" "$editor"
exec /bin/sh -c "$open" ngrokctl "$1" "$editor"
`;

/** `ngrokctl config edit`: opens the file in the user's editor, then says what is wrong with it. */
export async function configEdit(session: Session, path: string): Promise<void> {
  const { io } = session;
  if (await ifAllowed(io.exists(path)) === false) throw notFound(path);
  const argv = ["/bin/sh", "-c", EDIT, "ngrokctl", path] as const;
  const exitCode = await io.runInteractive(argv);
  if (exitCode === MISSING) throw notFound(path);
  if (exitCode !== 0) {
    throw new CommandError(`Cannot edit ${path}: the editor ended with exit code ${exitCode}`, {
      argv,
      exitCode,
      stderr: "",
      hint: "Name an editor in EDITOR, or run this as root if there is no sudo",
    });
  }
  const check = await ifAllowed(io.checkConfig(path));
  if (check !== undefined && check.problems.length > 0) {
    throw new ConfigError(`Config validation failed: ${path}`, {
      problems: check.problems,
      hint: "The daemon keeps its running configuration until this is right: ngrokctl config edit",
    });
  }
  const { warnings = [] } = check ?? {};
  session.print({ schema: 1, path, checked: check !== undefined, warnings }, () => {
    const lines = warnings.map((warning) => `  ⚠ ${safeText(problemText(warning))}\n`).join("");
    return `✓ ${safeText(path)} ${check === undefined ? "was edited" : "is valid"}\n${lines}`;
  });
}

function notFound(path: string): FileError {
  return new FileError(`Config file not found: ${path}`, {
    path,
    reason: "missing",
    hint: "If it is elsewhere, name it with --config PATH",
  });
}

/** Undefined for a file that this user may not even look at: it is edited as root, and the script looks again. */
async function ifAllowed<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof FileError && (error.reason === "denied" || error.reason === "not_capable")) {
      return undefined;
    }
    throw error;
  }
}
