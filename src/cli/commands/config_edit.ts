import { withConfig } from "../../config/paths.ts";
import { escapeControls } from "../../lib/printable.ts";
import { CommandError, ConfigError, FileError } from "../../model/errors.ts";
import { problemText } from "../../config/validation_error.ts";
import type { Session } from "../session.ts";
import { UsageError } from "../usage_error.ts";

/** The exit code of the script if there is no file; editors use small numbers. */
const MISSING = 66;

/**
 * Opens the file "$1" in the editor. The editor's variable is evaluated, as git does, because it
 * may hold arguments; the path never is. A file that this user may not write is edited as root.
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

/** Runs `ngrokctl config edit`: opens the file in the user's editor, then checks it. */
export async function configEdit(session: Session, path: string): Promise<void> {
  const { io } = session;
  if (!io.isInteractive()) {
    throw new UsageError(`Cannot edit ${path}: standard input is not a terminal`, {
      hint: `Change the file itself; ngrokd reads it again, and ngrokctl status shows its problems`,
    });
  }
  if (await ifAllowed(io.exists(path)) === false) throw notFound(path);
  const argv = ["/bin/sh", "-c", EDIT, "ngrokctl", path] as const;
  const exitCode = await io.runInteractive(argv);
  if (exitCode === MISSING) throw notFound(path);
  if (exitCode !== 0) {
    throw new CommandError(`Cannot edit ${path}: the editor ended with exit code ${exitCode}`, {
      argv,
      exitCode,
      stderr: "",
      hint: "Set EDITOR to an editor that is installed; without sudo, run ngrokctl as root",
    });
  }
  const check = await ifAllowed(io.checkConfig(path));
  if (check !== undefined && check.problems.length > 0) {
    throw new ConfigError(`Config validation failed: ${path}`, {
      problems: check.problems,
      hint: `ngrokd keeps its running configuration until the file is valid: ${
        withConfig("ngrokctl config edit", path)
      }`,
    });
  }
  const { warnings = [] } = check ?? {};
  session.print({ schema: 1, path, checked: check !== undefined, warnings }, () => {
    const lines = warnings.map((warning) => `  ⚠ ${escapeControls(problemText(warning))}\n`).join("");
    return `✓ ${escapeControls(path)} ${check === undefined ? "was edited" : "is valid"}\n${lines}`;
  });
}

function notFound(path: string): FileError {
  return new FileError(`Config file not found: ${path}`, {
    path,
    reason: "missing",
    hint: "If the file is elsewhere, use --config PATH",
  });
}

/** Resolves to undefined if this user may not read the file; the script edits it as root then. */
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
