/** A test that shows rows of the fault matrix. */
export interface RowTest {
  /** As in the source, without the rows; `…` stands for what is known only when it runs. */
  readonly name: string;
  /** A path from the project's root. */
  readonly file: string;
  /** `F9`, `F10`; in the order of the name. */
  readonly rows: readonly string[];
}

/** A string or template; the sources are formatted, so that a template in a template is as deep as it gets. */
const LITERAL =
  /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\$]|\\[^]|\$(?!\{)|\$\{(?:[^{}`]|`[^`]*`)*\})*`/
    .source;
/** The name where a call that registers a test begins its line, or follows a `for` or an arrow: alone, or in the object. */
const NAME = new RegExp(
  String.raw`(?:^[ \t]*|\) |=> )(?:[\w.]*[tT]est\w*\(\s*(?:\{\s*)?(?:name:\s*)?|name:\s*)(${LITERAL})`,
  "gm",
);
/** At the end; a reason for skipping, known when the test runs, may follow. */
const ROWS = / \((F[0-9]+(?:, F[0-9]+)*)\)(?:…| \(skipped: .*\))?$/;

/** The tests of a source file whose names end in rows in brackets: `(F9, F10)`. */
export function findRowTests(file: string, source: string): RowTest[] {
  return [...source.matchAll(NAME)].flatMap(([, literal]) => {
    const name = textOf(literal!);
    const rows = rowsOf(name);
    return rows.length === 0 ? [] : [{ name: name.replace(ROWS, ""), file, rows }];
  });
}

/** The rows that the name of a test ends in, also as the test runner prints it. */
export function rowsOf(name: string): string[] {
  return ROWS.exec(name)?.[1]?.split(", ") ?? [];
}

function textOf(literal: string): string {
  const inner = literal.slice(1, -1);
  const filled = literal.startsWith("`") ? inner.replace(/(?<!\\)\$\{(?:[^{}`]|`[^`]*`)*\}/g, "…") : inner;
  return filled.replace(/\\(.)/g, "$1");
}
