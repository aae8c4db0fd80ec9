const NAMES = ["config", "version", "verbose", "help"];
const NO: ReadonlySet<string> = new Set(["0", "f", "F", "false", "False", "FALSE"]);

/**
 * Writes flags as Go's package accepts them (`-config=PATH`, `-version`, `--v`, `-v=true`) as this
 * program does, because units and scripts of the Go daemon have them. All other words stay as they
 * are, and so does the value of a flag.
 */
export function translateGoFlags(argv: readonly string[]): string[] {
  const words: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!;
    if (word === "--") return [...words, ...argv.slice(index)];
    const translated = translate(word);
    if (translated !== undefined) words.push(translated);
    if (translated === "--config" && index + 1 < argv.length) words.push(argv[++index]!);
  }
  return words;
}

/** Returns undefined for a switch that is set to false. */
function translate(word: string): string | undefined {
  const [, given = "", equals = "", value = ""] = /^--?([a-z]+)(=?)(.*)$/s.exec(word) ?? [];
  const name = given === "v" ? "verbose" : given;
  if (!NAMES.includes(name)) return word;
  if (name === "config") return `--config${equals}${value}`;
  return equals !== "" && NO.has(value) ? undefined : `--${name}`;
}
