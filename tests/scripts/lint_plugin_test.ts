import assert from "node:assert/strict";
import plugin from "../../scripts/lint_plugin.ts";
import { listSources } from "../../scripts/list_sources.ts";

interface Case {
  readonly rule: string;
  /** The path of the sources. */
  readonly path: string;
  /** Sources with exactly one report each. */
  readonly bad: readonly string[];
  /** Sources without a report. */
  readonly good: readonly string[];
  /** Paths in which the bad sources are allowed. */
  readonly allowedIn?: readonly string[];
  /** More paths in which the bad sources are reported. */
  readonly alsoIn?: readonly string[];
}

const cases: Case[] = [
  {
    rule: "no-latin1-decoder",
    path: "src/forward/http/sniff_http.ts",
    bad: ['new TextDecoder("latin1").decode(bytes);', 'new TextDecoder("ISO-8859-1");'],
    good: ["new TextDecoder();", 'new TextDecoder("utf-16be");', 'x.toString("latin1");'],
    allowedIn: ["tests/web/server_test.ts"],
  },
  {
    rule: "deno-only-in-system",
    path: "src/forward/dial.ts",
    bad: [
      'Deno.readTextFile("x");',
      'Deno["readTextFile"]("x");',
      "if (e instanceof Deno.errors.NotFound) f();",
      "const { open } = Deno;",
      "const system = { Deno };",
      "globalThis.Deno;",
      "Deno.exitCode = 1;",
    ],
    good: [
      "let c: Deno.Conn;",
      "type C = typeof Deno.connectTls;",
      "x.Deno;",
      'f("Deno");',
      "const y = { Deno: 1 };",
    ],
    allowedIn: ["src/system/files.ts", "bench/main.ts", "tests/forward/dial_test.ts"],
    alsoIn: ["main.ts", "ctl.ts", "src/lib/x.ts"],
  },
  {
    rule: "deno-only-in-system",
    path: "src/daemon/run.ts",
    bad: ["Deno.args;", "Deno.exit(1);"],
    good: [],
    allowedIn: ["main.ts", "ctl.ts"],
  },
  {
    rule: "exit-only-in-entries",
    path: "src/system/run.ts",
    bad: ["Deno.exit(1);", 'Deno["exit"]();', "const stop = Deno.exit;"],
    good: ["Deno.exitCode = 1;", "process.exitCode;"],
    allowedIn: ["main.ts", "ctl.ts", "scripts/ok.ts"],
    alsoIn: ["src/daemon/run.ts", "sim/cloud/main.ts"],
  },
  {
    rule: "console-only-at-the-edge",
    path: "src/daemon/run.ts",
    bad: ['console.log("x");', "console.error(e);", "f(console.info);"],
    good: ['log.info("x");', "screen.console.log();"],
    allowedIn: ["src/cli/run.ts", "scripts/ok.ts", "tests/a_test.ts"],
    alsoIn: ["main.ts", "src/system/run.ts"],
  },
  {
    rule: "function-declarations",
    path: "src/lib/a.ts",
    bad: ["export const f = () => 1;", "const f = async () => {};", "export const f = function () {};"],
    good: [
      "export function f() { const g = () => 1; return g; }",
      "export const F = { g: () => 1 };",
      "const n = f(() => 1);",
    ],
    alsoIn: ["tests/a_test.ts", "scripts/a.ts"],
  },
  {
    rule: "hash-private",
    path: "src/lib/a.ts",
    bad: [
      "class A { private x = 1; }",
      "class A { private f(): void {} }",
      "class A { private static x = 1; }",
      "class A { constructor(private x: number) {} }",
      "class A { private constructor() {} }",
    ],
    good: [
      "class A { #x = 1; #f(): void {} readonly y = 2; constructor(readonly z: number) {} }",
      "const a = { private: 1 };",
    ],
    alsoIn: ["tests/a_test.ts"],
  },
  {
    rule: "two-then-options",
    path: "src/lib/a.ts",
    bad: [
      "export function f(a: A, b: B, c: C): void {}",
      "export function f(a: A, b: B, c: C, options: Options): void {}",
      "export function f(a: A, b: B, ...rest: C[]): void {}",
      "export default function f(a: A, b: B, c = 1): void {}",
      "export class F { constructor(a: A, b: B, c: C) {} }",
      "export declare function f(a: A, b: B, c: C): void;",
    ],
    good: [
      "export function f(a: A, b: B, options: Options = {}): void {}",
      "export function f(a: A, b: B, { c }: Options): void {}",
      "export function f(a: A, b: B, dialOptions: Options): void {}",
      "export function f(...rest: A[]): void {}",
      "function f(a: A, b: B, c: C): void {}",
      "export class F { constructor(a: A, b: B) {} }",
      "class F { constructor(a: A, b: B, c: C) {} }",
    ],
  },
  {
    rule: "error-message",
    path: "src/lib/a.ts",
    bad: [
      'throw new RangeError("port is out of range");',
      'throw new Error("ngrokdless is no name");',
      'throw new Error("Cannot read it.");',
      'throw new TypeError("This can\'t be read");',
      "throw new ApiError(`Cannot reach ${host}.`, { status, code });",
      "throw new ApiError(`cannot reach ${host}`, { status, code });",
      'throw new Error("cannot read " + path);',
      "throw new Error(`Cannot read ${path}: it’s gone`);",
    ],
    good: [
      "throw new BindError(`Cannot bind ${where}: address is in use`, { address, reason });",
      "throw new Error(`${name} is not known`);",
      "throw new Error(path + ' is missing');",
      'throw new Error("Cannot read the file\'s key");',
      "throw new Error(`Cannot read ${path}`);",
      "throw new Error(`ngrokd is shutting down`);",
      "throw new Error();",
      "throw new Error(message, { cause });",
      'new Report("lower case.");',
    ],
    allowedIn: ["tests/a_test.ts"],
    alsoIn: ["main.ts", "scripts/a.ts"],
  },
  {
    rule: "constant-log-message",
    path: "src/sync/a.ts",
    bad: [
      "log.info(`Listening on ${address}`);",
      'log.warn("Cannot reach " + host);',
      "log.error(message);",
      "logger.debug(`x${y}`, { y });",
      "accessLog.info(text);",
      "log.info`User ${id}`;",
    ],
    good: [
      'log.info("Listening on {address}", { address });',
      "log.info(`Ready`);",
      "log.info`Ready`;",
      "math.log(x);",
      "report.error(text);",
      "log.getChild(name);",
    ],
    allowedIn: ["tests/a_test.ts", "scripts/a.ts"],
    alsoIn: ["src/cli/a.ts", "main.ts"],
  },
  {
    rule: "log-category",
    path: "src/names/hosts/a.ts",
    bad: [
      'getLogger(["ngrokd", "daemon"]);',
      'getLogger(["ngrokd", "names", "hosts"]);',
      "getLogger(category);",
    ],
    good: ['getLogger(["ngrokd", "names"]);'],
    allowedIn: ["tests/a_test.ts", "scripts/a.ts"],
  },
  {
    rule: "no-ignore-file",
    path: "src/lib/a.ts",
    bad: ["// deno-lint-ignore-file no-explicit-any\nf();", "/* deno-lint-ignore-file */\nf();"],
    good: ["// deno-lint-ignore no-explicit-any\nf();", 'f("deno-lint-ignore-file");'],
    alsoIn: ["tests/a_test.ts"],
  },
  {
    rule: "no-todo",
    path: "src/lib/a.ts",
    bad: ["// TODO: more\nf();", "/** FIXME */\nf();", "f(); // XXX"],
    good: ["// Nothing to do.\nf();", 'f("TODO");', "// todos of a user\nf();"],
    alsoIn: ["tests/a_test.ts"],
  },
  {
    rule: "docstring-opening",
    path: "src/lib/a.ts",
    bad: [
      "/** Whether it is open. */\nf();",
      "/**\n * What a client sends.\n */\nf();",
      "/** How many there are. */ f();",
    ],
    good: [
      "/** Returns true if it is open. */\nf();",
      "// Whether it is open.\nf();",
      "/* What a client sends. */\nf();",
      "/** The number of clients. When none is left, it is 0. */\nf();",
    ],
    alsoIn: ["tests/a_test.ts", "sim/dev.ts"],
  },
  {
    rule: "comment-width",
    path: "src/lib/a.ts",
    bad: [`// ${"a".repeat(98)}\nf();`, `  /**\n   * ${"a ".repeat(50)}\n   */\nf();`],
    good: [
      `// ${"a".repeat(97)}\nf();`,
      `f(); // ${"a".repeat(98)}`,
      `// See https://example.com/${"a".repeat(90)}\nf();`,
      `// deno-lint-ignore no-console -- ${"a".repeat(90)}\nf();`,
    ],
    alsoIn: ["tests/a_test.ts", "bench/a.ts"],
  },
  {
    rule: "options-below",
    path: "src/forward/dial.ts",
    bad: [
      "export interface DialOptions {}\nexport function dial(options: DialOptions) {}",
      "export type DialOptions = object;\nexport class Dial {}",
      "export interface DialOptions {}\nfunction a() {}\nexport async function dial() {}",
    ],
    good: [
      "export function dial(options: DialOptions) {}\nexport interface DialOptions {}",
      "export interface DialOptions {}\nexport const A = 1;",
      "interface DialOptions {}\nexport class Dial {}",
      "export interface Target {}\nexport class Dial {}",
    ],
  },
  {
    rule: "test-name",
    path: "tests/a_test.ts",
    bad: [
      `Deno.test("${"a".repeat(91)}", () => {});`,
      `Deno.test({ name: "${"a".repeat(91)} (F1)", fn() {} });`,
      `testRoot(\`${"a".repeat(90)}\${x}\`, () => {});`,
    ],
    good: [
      `Deno.test("${"a".repeat(90)} (F1, F22)", () => {});`,
      `Deno.test(\`${"a".repeat(89)}\${x}\`, () => {});`,
      `f("${"a".repeat(91)}");`,
    ],
  },
];

for (const { rule, path, bad, good, allowedIn = [], alsoIn = [] } of cases) {
  for (const source of bad) {
    Deno.test(`${rule} reports ${JSON.stringify(source)} in ${path}`, () => {
      for (const other of [path, ...alsoIn]) assert.equal(reportsOf(rule, other, source), 1, other);
    });
    for (const other of allowedIn) {
      Deno.test(`${rule} allows ${JSON.stringify(source)} in ${other}`, () => {
        assert.equal(reportsOf(rule, other, source), 0);
      });
    }
  }
  for (const source of good) {
    Deno.test(`${rule} allows ${JSON.stringify(source)} in ${path}`, () => {
      assert.equal(reportsOf(rule, path, source), 0);
    });
  }
}

Deno.test("the plugin accepts absolute paths", () => {
  const root = decodeURIComponent(new URL("../../", import.meta.url).pathname);
  assert.equal(reportsOf("deno-only-in-system", `${root}src/forward/dial.ts`, "Deno.cwd();"), 1);
  assert.equal(reportsOf("deno-only-in-system", `${root}src/system/run.ts`, "Deno.cwd();"), 0);
});

Deno.test("every rule of the plugin has a case here", () => {
  assert.deepEqual(Object.keys(plugin.rules).sort(), [...new Set(cases.map(({ rule }) => rule))].sort());
});

// A bare `deno-lint-ignore-file` switches off all rules, also those of the plugin.
Deno.test("no source file is excluded from the linter", async () => {
  const root = new URL("../../", import.meta.url);
  const folders = ["src/", "sim/", "bench/", "tests/", "scripts/"];
  for (const path of await listSources(root, ["main.ts", "ctl.ts", ...folders])) {
    const text = await Deno.readTextFile(new URL(path, root));
    assert.doesNotMatch(text, /^\s*(\/\/|\/\*)\s*deno-lint-ignore-file/m, path);
  }
});

function reportsOf(rule: string, path: string, source: string): number {
  const found = Deno.lint.runPlugin(plugin, path, source);
  return found.filter(({ id }) => id === `ngrokd/${rule}`).length;
}
