import { compare } from "../../src/lib/compare.ts";
import type { ReportedTest } from "../faults/read_report.ts";

/** A result of a real client, from the name of its test. */
export interface ClientRow {
  readonly client: string;
  readonly mode: string;
  readonly result: string;
  readonly skipped: boolean;
}

const NAME = /^(?<client>[^,]+), (?<mode>virtual|network) mode: (?<result>.+?)(?: \(skipped: .*\))?$/;
const HEAD = "| client | mode | result |\n|---|---|---|\n";

/** The results among these tests, sorted by client and mode. */
export function clientRows(tests: readonly ReportedTest[]): ClientRow[] {
  return tests.flatMap(({ name, skipped }) => {
    const { client, mode, result } = NAME.exec(name)?.groups ?? {};
    if (client === undefined || mode === undefined || result === undefined) return [];
    return [{ client, mode, result, skipped }];
  }).sort((a, b) => compare(keyOf(a), keyOf(b)));
}

/** The results as a Markdown table. */
export function clientTable(rows: readonly ClientRow[]): string {
  return HEAD + rows.map(({ client, mode, result }) => `| ${client} | ${mode} | ${result} |\n`).join("");
}

function keyOf({ client, mode, result }: ClientRow): string {
  return `${client.toLowerCase()}\0${mode}\0${result}`;
}
