import { printable } from "../lib/printable.ts";
import { ConfigError, type ConfigProblem } from "../model/errors.ts";

/** How many problems one line shows; the error carries all. */
const SHOWN = 10;

/** The error for a configuration that cannot be used. Its message begins with words that users grep for. */
export function validationError(
  problems: readonly ConfigProblem[],
  options: { hint?: string | undefined } = {},
): ConfigError {
  const rest = problems.length > SHOWN ? `; and ${problems.length - SHOWN} more` : "";
  const summary = problems.slice(0, SHOWN).map(problemText).join("; ");
  return new ConfigError(`Config validation failed: ${summary}${rest}`, { problems, ...options });
}

/** One line for a problem or a warning: `net.start_port: 70000 is not in 1 to 65535 (The default is 9080)`. */
export function problemText(problem: ConfigProblem): string {
  const { path, message, suggestion } = problem;
  const where = path === "" ? "" : `${printable(path)}: `;
  return `${where}${message}${suggestion === undefined ? "" : ` (${suggestion})`}`;
}
