/** A test that the runner reported. */
export interface ReportedTest {
  /** Without its rows. */
  readonly name: string;
  /** A path from the project's root. */
  readonly file: string;
  /** The rows of the fault table that the test shows, in the order of its name: `F9`, `F10`. */
  readonly rows: readonly string[];
  readonly skipped: boolean;
}

const CASE = /<testcase name="([^"]*)" classname="(?:\.\/)?([^"]*)"[^>]*>([^]*?)<\/testcase>/g;
/** The rows at the end of a name; the reason for skipping the test may follow. */
const ROWS = / \((F[0-9]+(?:, F[0-9]+)*)\)(?: \(skipped: .*\))?$/;
const ENTITIES: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
};

/**
 * Reads the tests from a JUnit report of `deno test --junit-path`; steps of a test are left out.
 */
export function readReport(xml: string): ReportedTest[] {
  return [...xml.matchAll(CASE)].flatMap(([, name = "", file = "", body = ""]) => {
    const text = name.replace(/&(?:amp|lt|gt|quot|apos);/g, (entity) => ENTITIES[entity]!);
    if (text.includes(" > ")) return [];
    const rows = ROWS.exec(text)?.[1]?.split(", ") ?? [];
    return [{ name: text.replace(ROWS, ""), file, rows, skipped: body.includes("<skipped") }];
  });
}
