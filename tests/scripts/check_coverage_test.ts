import assert from "node:assert/strict";
import { measure, percent } from "../../scripts/check_coverage.ts";

const root = "/home/someone/project/";

function record(path: string, hits: readonly number[]): string {
  return [`SF:${root}${path}`, ...hits.map((count, index) => `DA:${index + 1},${count}`), "end_of_record", ""]
    .join("\n");
}

Deno.test("measure() returns lines and covered lines of each source file, the worst first", () => {
  const lcov = record("src/lib/good.ts", [1, 2, 3]) + record("src/lib/half.ts", [0, 7]) +
    record("tests/a_test.ts", [0]);
  const sources = new Map([["src/lib/good.ts", "const a = 1;"], ["src/lib/half.ts", "const a = 1;"]]);
  assert.deepEqual(measure(lcov, { root, sources }), [
    { path: "src/lib/half.ts", lines: 2, covered: 1 },
    { path: "src/lib/good.ts", lines: 3, covered: 3 },
  ]);
});

Deno.test("measure() counts every line of a file that no test has loaded", () => {
  const sources = new Map([["src/lib/new.ts", "/** Doc. */\nexport function f(): void {\n\n}\n"]]);
  assert.deepEqual(measure("", { root, sources }), [{ path: "src/lib/new.ts", lines: 3, covered: 0 }]);
});

const DECLARATIONS = ["export async function f() {}", "export class A {}", "export default class A {}"];
for (const text of [...DECLARATIONS, "const a = 1;", "export enum A {}"]) {
  Deno.test(`measure() counts "${text}" as code`, () => {
    assert.equal(measure("", { root, sources: new Map([["src/a.ts", `// x\n${text}\n`]]) }).length, 1);
  });
}

Deno.test("measure() ignores a file with only types", () => {
  const text =
    'import type { B } from "./b.ts";\n\n/** A. */\nexport interface A {\n  readonly b: B;\n}\nexport type C = A;\n';
  assert.deepEqual(measure("", { root, sources: new Map([["src/model/a.ts", text]]) }), []);
});

Deno.test("percent() weights files by their lines", () => {
  const files = [{ path: "a", lines: 90, covered: 90 }, { path: "b", lines: 10, covered: 0 }];
  assert.equal(percent(files), 90);
  assert.equal(percent([]), 100);
});
