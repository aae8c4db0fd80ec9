import type { ConfigProblem } from "../model/errors.ts";

/** One line for a problem of the configuration: `net.start_port: 70000 is not in 1 to 65535 (The default is 9080)`. */
export function problemText({ path, message, suggestion }: ConfigProblem): string {
  const where = path === "" ? "" : `${path}: `;
  return `${where}${message}${suggestion === undefined ? "" : ` (${suggestion})`}`;
}
