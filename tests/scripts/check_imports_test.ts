import assert from "node:assert/strict";
import {
  checkImports,
  findUnreached,
  type ImportEdge,
  type ImportGraph,
  toGraph,
} from "../../scripts/check_imports.ts";

/** A graph in the short form `{ file: ["target", "type target"] }`. */
function graphOf(files: Record<string, readonly string[]>): ImportGraph {
  return new Map(Object.entries(files).map(([path, targets]) => [path, targets.map(toEdge)]));
}

function toEdge(text: string): ImportEdge {
  const target = text.replace(/^type /, "");
  return { specifier: target, target, typeOnly: target !== text };
}

Deno.test("checkImports() accepts imports of lower layers, the same folder and the import map", () => {
  const graph = graphOf({
    "main.ts": ["src/system/signals.ts", "src/daemon/run.ts"],
    "ctl.ts": ["src/system/terminal.ts", "src/cli/run.ts"],
    "src/daemon/run.ts": ["src/daemon/assemble.ts", "src/sync/round.ts", "src/forward/dial.ts"],
    "src/daemon/assemble.ts": ["type src/sync/round.ts"],
    "src/cli/run.ts": ["src/control/client.ts", "src/model/errors.ts"],
    "src/sync/round.ts": ["src/model/errors.ts", "src/lib/mutex.ts"],
    "src/forward/dial.ts": ["node:buffer", "node:path", "node:assert/strict", "type node:net"],
    "src/control/client.ts": ["src/system/terminal.ts"],
    "src/system/terminal.ts": ["node:net", "src/model/errors.ts"],
    "src/system/signals.ts": [],
    "src/model/errors.ts": [],
    "src/lib/mutex.ts": [],
    "tests/cloud/client_test.ts": ["src/cloud/client.ts", "node:net"],
    "sim/cloud/server.ts": ["src/lib/ipv4.ts", "node:tls"],
    "bench/main.ts": ["src/daemon/run.ts", "sim/cloud/server.ts"],
  });
  const zod = { specifier: "zod", target: "npm:zod@^4.6.7", typeOnly: false };
  assert.deepEqual(checkImports(new Map([...graph, ["src/config/schema.ts", [zod]]])), []);
});

const VIOLATIONS: readonly (readonly [what: string, path: string, target: string, text: RegExp])[] = [
  ["an import that goes up", "src/model/a.ts", "src/sync/b.ts", /L1 imports L5/],
  ["a type-only import that goes up", "src/lib/a.ts", "type src/model/b.ts", /L0 imports L1/],
  ["an import in the same layer", "src/cloud/a.ts", "src/forward/b.ts", /folders of one layer \(L3\)/],
  ["a type-only import in the same layer", "src/log/a.ts", "type src/system/b.ts", /one layer \(L2\)/],
  ["an import of the daemon by the client", "src/cli/a.ts", "src/daemon/b.ts", /cli never imports daemon/],
  ["an import of sync by the client", "src/cli/a.ts", "src/sync/b.ts", /cli never imports sync/],
  ["an import of forward by the client", "src/cli/a.ts", "src/forward/b.ts", /cli never imports forward/],
  ["an import of the client by the daemon", "src/daemon/a.ts", "src/cli/b.ts", /one layer \(L6\)/],
  ["a deep import by an entry file", "main.ts", "src/forward/a.ts", /only system, daemon/],
  ["an import of the daemon by ctl.ts", "ctl.ts", "src/daemon/a.ts", /only system, cli/],
  ["an import of Node by an entry file", "main.ts", "node:fs", /only src\/system\/ may/],
  ["an import of a test by the source", "src/lib/a.ts", "tests/fakes/b.ts", /imports only src\//],
  ["an import of a script by the source", "src/daemon/a.ts", "scripts/launch.ts", /imports only src\//],
  ["an import of an entry file by the source", "src/daemon/a.ts", "main.ts", /imports only src\//],
  ["an import of a script by an entry file", "main.ts", "scripts/launch.ts", /imports only src\//],
  ["a file outside the project", "src/lib/a.ts", "file:///elsewhere/b.ts", /imports only src\//],
  ["Node outside src/system/", "src/forward/a.ts", "node:net", /^src\/forward\/a\.ts imports node:net: only/],
  ["a package past the import map", "src/log/a.ts", "npm:zod@4", /imports "npm:zod@4" past the import map/],
  ["such a package in a test", "tests/a_test.ts", "jsr:@std/assert", /past the import map/],
  ["a module from the web", "scripts/a.ts", "https://example.com/a.ts", /past the import map/],
  ["client code in the simulated cloud", "sim/cloud/a.ts", "src/forward/b.ts", /shares no code/],
];

for (const [what, path, target, text] of VIOLATIONS) {
  Deno.test(`checkImports() reports ${what}`, () => {
    const [problem = "", ...others] = checkImports(graphOf({ [path]: [target] }));
    assert.deepEqual(others, []);
    assert.match(problem, text);
    assert.ok(problem.startsWith(`${path} imports `) && problem.includes(target.replace(/^type /, "")));
  });
}

Deno.test("checkImports() reports a file that is in no folder of the layer table", () => {
  for (const path of ["src/utils/a.ts", "src/a.ts"]) {
    assert.deepEqual(checkImports(graphOf({ [path]: [] })), [
      `${path} belongs to no folder of the layer table`,
    ]);
  }
});

Deno.test("checkImports() reports a module that cannot be found, with the reason", () => {
  const target = "src/lib/gone.ts";
  const edge = { specifier: "./gone.ts", target, typeOnly: false, error: "Module not found" };
  assert.deepEqual(checkImports(new Map([["src/lib/a.ts", [edge]]])), [
    'src/lib/a.ts imports "./gone.ts", which cannot be found: Module not found',
  ]);
});

Deno.test("checkImports() reports a cycle once, with all its files", () => {
  const graph = graphOf({
    "src/lib/start.ts": ["src/lib/a.ts"],
    "src/lib/a.ts": ["src/lib/b.ts"],
    "src/lib/b.ts": ["type src/lib/c.ts", "src/lib/d.ts"],
    "src/lib/c.ts": ["src/lib/a.ts"],
    "src/lib/d.ts": [],
  });
  assert.deepEqual(checkImports(graph), ["Cycle: src/lib/a.ts → src/lib/b.ts → src/lib/c.ts → src/lib/a.ts"]);
});

Deno.test("checkImports() reports a file that imports itself", () => {
  assert.deepEqual(checkImports(graphOf({ "src/lib/a.ts": ["src/lib/a.ts"] })), [
    "Cycle: src/lib/a.ts → src/lib/a.ts",
  ]);
});

Deno.test("findUnreached() returns files that only tests use, not those reached by a type", () => {
  const graph = graphOf({
    "main.ts": ["src/daemon/run.ts"],
    "ctl.ts": ["src/cli/run.ts"],
    "src/daemon/run.ts": ["type src/model/report.ts"],
    "src/cli/run.ts": [],
    "src/model/report.ts": [],
    "src/lib/unused.ts": ["src/lib/only_from_there.ts"],
    "src/lib/only_from_there.ts": [],
    "tests/lib/unused_test.ts": ["src/lib/unused.ts"],
  });
  assert.deepEqual(findUnreached(graph), ["src/lib/only_from_there.ts", "src/lib/unused.ts"]);
});

Deno.test("toGraph() reads paths, packages, type-only imports and missing modules from deno info", () => {
  const root = "file:///home/someone/project/";
  const info = {
    modules: [
      {
        specifier: `${root}src/lib/a.ts`,
        dependencies: [
          { specifier: "zod", code: { specifier: "npm:zod@^4" } },
          {
            specifier: "./b.ts",
            code: { specifier: `${root}src/lib/b.ts` },
            type: { specifier: `${root}src/lib/b.ts` },
          },
          { specifier: "./gone.ts", code: { specifier: `${root}src/lib/gone.ts` } },
          { specifier: "node:net", type: { specifier: "node:net" } },
          { specifier: "bare", code: { error: "not in the import map" } },
        ],
      },
      { specifier: `${root}src/lib/b.ts` },
      { specifier: `${root}src/lib/gone.ts`, error: "Module not found" },
      { specifier: "file:///tmp/all.ts", dependencies: [] },
      { specifier: "node:net" },
    ],
  };
  assert.deepEqual(
    toGraph(info, root),
    new Map([
      ["src/lib/a.ts", [
        { specifier: "zod", target: "npm:zod@^4", typeOnly: false, error: undefined },
        { specifier: "./b.ts", target: "src/lib/b.ts", typeOnly: false, error: undefined },
        { specifier: "./gone.ts", target: "src/lib/gone.ts", typeOnly: false, error: "Module not found" },
        { specifier: "node:net", target: "node:net", typeOnly: true, error: undefined },
        { specifier: "bare", target: "bare", typeOnly: false, error: "not in the import map" },
      ]],
      ["src/lib/b.ts", []],
    ]),
  );
});
