// Runs all tests with coverage, and fails if the line coverage of src/ is below its minimum. With a
// directory as argument it reads the coverage of an earlier run from there (DENO_COVERAGE_DIR).
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { listSources } from "./list_sources.ts";

const MINIMUM_PERCENT = 90;
const WORST = 10;

/** Files that do not count, each with the reason. */
const NOT_COUNTED: Readonly<Record<string, string>> = {};

/** The lines of code in one file, and how many of them a test ran. */
export interface FileCoverage {
  readonly path: string;
  readonly lines: number;
  readonly covered: number;
}

/**
 * Returns the line coverage of each source file from a report in lcov format, the worst first. All
 * lines of a file that no test has loaded count as missed, unless the file holds only types.
 */
export function measure(lcov: string, options: MeasureOptions): FileCoverage[] {
  const { root, sources } = options;
  const loaded = new Map(
    lcov.split("end_of_record").map((record) => {
      const path = /^SF:(.*)$/m.exec(record)?.[1] ?? "";
      const hits = [...record.matchAll(/^DA:[0-9]+,([0-9]+)/gm)].map((match) => Number(match[1]));
      return [path.startsWith(root) ? path.slice(root.length) : path, hits];
    }),
  );
  return [...sources]
    .filter(([path, text]) => loaded.has(path) || hasCode(text))
    .map(([path, text]) => {
      const hits = loaded.get(path) ?? text.split("\n").filter((line) => line.trim() !== "").map(() => 0);
      return { path, lines: hits.length, covered: hits.filter((count) => count > 0).length };
    })
    .sort((a, b) => percent([a]) - percent([b]) || a.path.localeCompare(b.path));
}

/** Options of {@linkcode measure}. */
export interface MeasureOptions {
  /** The project's directory, with a final `/`. */
  readonly root: string;
  /** The text of each source file that counts, by path from the root. */
  readonly sources: ReadonlyMap<string, string>;
}

/** Returns the percentage of covered lines; 100 if there are no lines. */
export function percent(files: readonly FileCoverage[]): number {
  const sum = (key: "lines" | "covered") => files.reduce((total, file) => total + file[key], 0);
  return sum("lines") === 0 ? 100 : 100 * sum("covered") / sum("lines");
}

function hasCode(text: string): boolean {
  return /^(export )?(default )?(async )?(abstract )?(function|class|const|let|enum)\b/m.test(text);
}

async function runTests(directory: string): Promise<boolean> {
  const env = { DENO_COVERAGE_DIR: directory };
  const { success } = await new Deno.Command("deno", { args: ["task", "test"], env }).spawn().status;
  return success;
}

async function readLcov(directory: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("deno", {
    args: ["coverage", "--lcov", directory],
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot read the coverage in ${directory}: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout);
}

async function report(directory: string, root: URL): Promise<number> {
  const paths = (await listSources(root, ["src/"])).filter((path) => !(path in NOT_COUNTED));
  const sources = new Map<string, string>();
  for (const path of paths) sources.set(path, await Deno.readTextFile(new URL(path, root)));
  const files = measure(await readLcov(directory), { root: decodeURIComponent(root.pathname), sources });
  for (const [path, reason] of Object.entries(NOT_COUNTED)) writeOut(`not counted  ${path}: ${reason}\n`);
  for (const file of files.slice(0, WORST)) {
    writeOut(
      `${percent([file]).toFixed(1).padStart(6)} %  ${file.path} (${
        file.lines - file.covered
      } of ${file.lines} lines missed)\n`,
    );
  }
  const total = percent(files);
  writeOut(`${total.toFixed(1).padStart(6)} %  of the lines of src/ (at least ${MINIMUM_PERCENT})\n`);
  if (total >= MINIMUM_PERCENT) return 0;
  writeErr(`Line coverage of src/ is below ${MINIMUM_PERCENT} %\n`);
  return 1;
}

async function main(): Promise<number> {
  const root = new URL("../", import.meta.url);
  const [given] = Deno.args;
  if (given !== undefined) return await report(given, root);
  const directory = await Deno.makeTempDir({ dir: "/tmp", prefix: "ngrokd-coverage-" });
  try {
    return await runTests(directory) ? await report(directory, root) : 1;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main());
