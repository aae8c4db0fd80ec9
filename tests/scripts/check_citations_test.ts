import assert from "node:assert/strict";
import { checkCitations } from "../../scripts/check_citations.ts";

const DOCUMENTS: Readonly<Record<string, string | undefined>> = {
  "README.md": "# ngrokd\n",
  "LICENSE": undefined,
  "docs/protocol.md":
    "# Protocol\n\n## 1. HTTP API\n\n### 1.4 Rate limit and retries\n\n| R12 | ConnResponse |\n",
  "docs/reliability.md": "# Reliability\n\n| R37 | It renews in time |\n\n| F74 | no row yet |\n",
  "docs/runtime.md": "# Runtime\n\n## The `Nagle` stall\n\n## Sockets\n\n```sh\n# Not a heading\n```\n",
  "docs/decisions/0009-renewal.md": "# 0009: What may replace a certificate\n",
  "scripts/faults/rows.ts": '  { id: "F12", fault: "", answer: "" },\n',
  "src/cloud/client.ts": "",
};

/** Returns the problems of one more file. */
function problemsOf(text: string, path = "src/a.ts"): string[] {
  return checkCitations(new Map(Object.entries({ ...DOCUMENTS, [path]: text })))
    .map((problem) => problem.replace(`${path}: `, ""));
}

Deno.test("checkCitations() accepts citations that exist", () => {
  assert.deepEqual(
    problemsOf(`
/**
 * Waits (docs/protocol.md 1.4): 120 requests in docs/protocol.md
 * 1.4. The section is docs/protocol.md 1, the file docs/protocol.md.
 */
// See docs/runtime.md Sockets, docs/runtime.md "The Nagle stall",
// and docs/reliability.md R37 and F74.
// The reason is docs/decisions/0009, docs/decisions/0009-renewal.md and README.md (R12, F12).
`),
    [],
  );
});

const WRONG: readonly (readonly [string, string, string])[] = [
  ["a document", "// docs/nothing.md 1.4", "docs/nothing.md does not exist"],
  ["a document outside docs/", "// PLAN.md decision 6", "PLAN.md does not exist"],
  ["a section", "// docs/protocol.md 1.5", "docs/protocol.md has no section 1.5"],
  ["a section on the next line", " * docs/protocol.md\n * 9.9)", "docs/protocol.md has no section 9.9"],
  ["a title", "// docs/runtime.md Files", 'docs/runtime.md has no section "Files"'],
  [
    "a title in a fence",
    "// docs/runtime.md Not a heading",
    'docs/runtime.md has no section "Not a heading"',
  ],
  ["a row of another document", "// docs/reliability.md R12", "docs/reliability.md has no row R12"],
  ["a fault in the document of promises", "// docs/reliability.md F12", "docs/reliability.md has no row F12"],
  ["the second of two rows", "// docs/reliability.md R37, R12", "docs/reliability.md has no row R12"],
  ["a decision", "// docs/decisions/0010", "docs/decisions/0010 does not exist"],
  ["a decision by its file", "// docs/decisions/0009-x.md", "docs/decisions/0009-x.md does not exist"],
  ["a promise", "// (R46)", "R46 is no promise, fault or test vector"],
  ["a fault", 'Deno.test("pipe() closes (F99)")', "F99 is no promise, fault or test vector"],
];

for (const [target, text, problem] of WRONG) {
  Deno.test(`checkCitations() reports ${target} that does not exist`, () => {
    assert.deepEqual(problemsOf(text), [problem]);
  });
}

// A merge kept three versions of one row.
Deno.test("checkCitations() reports a promise that has more than one row", () => {
  const rows = (id: string) => `| ${id} | It renews in time |\n`.repeat(3);
  assert.deepEqual(problemsOf(rows("R37"), "docs/reliability.md"), ["R37 has more than one row"]);
  assert.deepEqual(problemsOf(rows("R12"), "docs/protocol.md"), []);
});

Deno.test("checkCitations() also reads .yml files and .ci/run", () => {
  assert.deepEqual(problemsOf("# docs/nothing.md", ".ci/run"), ["docs/nothing.md does not exist"]);
  assert.deepEqual(problemsOf("# docs/nothing.md", "config.example.yml"), ["docs/nothing.md does not exist"]);
});

Deno.test("checkCitations() ignores numbers, hexadecimal text and identifiers", () => {
  assert.deepEqual(problemsOf('const F1_KEY = "0F99"; // U+R99, F99-x, 99R99, #F99'), []);
});

Deno.test("checkCitations() follows the links of Markdown files to files, folders and headings", () => {
  const text = `
[a](../protocol.md#14-rate-limit-and-retries) [b](../../src/cloud/) [c](../runtime.md#the-nagle-stall)
[d](#here) [e](https://example.com/x.md) [f](../../LICENSE)

## Here
`;
  assert.deepEqual(problemsOf(text, "docs/decisions/0010-x.md"), []);
  assert.deepEqual(problemsOf("[a](protocol.md#15) [b](gone.md) `[c](gone.md)`", "docs/index.md"), [
    "the link protocol.md#15 leads to no heading",
    "the link gone.md leads nowhere",
  ]);
});

Deno.test("checkCitations() checks the paths in code spans of Markdown files", () => {
  assert.deepEqual(problemsOf("`src/cloud/`, `src/cloud/*.ts`, `docs/decisions/0009`, `src`", "a.md"), []);
  assert.deepEqual(problemsOf("`src/cloud/server.ts` and `tests/`", "a.md"), [
    "src/cloud/server.ts does not exist",
    "tests/ does not exist",
  ]);
});

Deno.test("checkCitations() compares excerpts in Markdown files with their files", () => {
  const excerpt = (code: string) => `A class (\`scripts/faults/rows.ts\`):\n\n\`\`\`ts\n${code}\n\`\`\`\n`;
  assert.deepEqual(problemsOf(excerpt('{ id: "F12", fault: "", answer: "" },'), "a.md"), []);
  assert.deepEqual(problemsOf(excerpt('{ id: "F12", fault: "a" },'), "a.md"), [
    "the excerpt of scripts/faults/rows.ts differs from the file",
  ]);
});
