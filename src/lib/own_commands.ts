/** The variable in which a launcher names the directory of `ngrokd` and `ngrokctl`. */
export const PROGRAMS_VARIABLE = "NGROKD_PROGRAMS";

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  ngrokd: ["run", "launch", "cleanup", "deregister", "--version", "--help"],
  ngrokctl: [
    ...["status", "list", "health", "set-api-key", "refresh-cert", "rebind"],
    ...["trust show", "trust fetch", "trust forget", "config edit", "version", "help"],
  ],
};
/** A program and its command, neither of them a part of a path or of a word. */
const COMMAND = new RegExp(
  `(?<![\\w./-])(?:${
    Object.entries(COMMANDS).map(([program, names]) => `${program} (?:${names.join("|")})`).join("|")
  })(?![\\w-]| \\d)`,
  "g",
);
/** A path that means the same to the shell without quotes. */
const PLAIN_PATH = /^\/[\w./@+-]+$/;
/** A path in single quotes means itself, and is safe in JSON. */
const QUOTABLE_PATH = /^\/[^'"\\\p{Cc}]+$/u;

/**
 * Returns the text with the commands of ngrokd as they work for this process: `ngrokctl status`
 * becomes `/opt/ngrokd/bin/ngrokctl status` if the launcher named the directory.
 */
export function withPrograms(text: string, directory: string | undefined): string {
  if (directory === undefined || !QUOTABLE_PATH.test(directory)) return text;
  return text.replace(COMMAND, (command) => {
    const [program = "", ...words] = command.split(" ");
    return [quotedPath(`${directory}/${program}`), ...words].join(" ");
  });
}

/** Returns a path as a word of the shell. */
export function quotedPath(path: string): string {
  return PLAIN_PATH.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** Returns the commands of ngrokd in a text, without their arguments. */
export function commandsIn(text: string): string[] {
  return text.match(COMMAND) ?? [];
}
