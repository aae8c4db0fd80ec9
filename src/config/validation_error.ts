import { printable } from "../lib/printable.ts";
import { ConfigError, type ConfigProblem, withHint } from "../model/errors.ts";

/** The number of problems in the message; the error has all of them. */
const SHOWN = 10;

/**
 * Returns the error for an invalid configuration. Scripts search for the first words of its
 * message.
 */
export function validationError(
  problems: readonly ConfigProblem[],
  options: { hint?: string | undefined } = {},
): ConfigError {
  const rest = problems.length > SHOWN ? `; and ${problems.length - SHOWN} more` : "";
  const summary = problems.slice(0, SHOWN).map(problemText).join("; ");
  return new ConfigError(`Config validation failed: ${summary}${rest}`, { problems, ...options });
}

/**
 * Returns a problem or warning as one line: `net.start_port: 7 is not in … (The default is 9080)`.
 */
export function problemText(problem: ConfigProblem): string {
  const { path, message, suggestion } = problem;
  const where = path === "" ? "" : `${printable(path)}: `;
  return withHint({ message: `${where}${message}`, hint: suggestion });
}
