import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);

interface Info {
  readonly roots: readonly string[];
  readonly modules: readonly Module[];
  readonly redirects: Readonly<Record<string, string>>;
  readonly npmPackages: Readonly<Record<string, { readonly dependencies: readonly string[] }>>;
}

interface Module {
  readonly specifier: string;
  readonly kind?: string;
  readonly npmPackage?: string;
  readonly dependencies?: readonly Dependency[];
}

interface Dependency {
  readonly isDynamic?: boolean;
  readonly code?: { readonly specifier?: string };
}

/** The names of the packages that a program loads at its start, with those that they need. */
async function packagesAtStart(program: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", program],
    cwd: ROOT,
    stderr: "null",
  }).output();
  const { roots, modules, redirects, npmPackages }: Info = JSON.parse(new TextDecoder().decode(stdout));
  const bySpecifier = new Map(modules.map((module) => [module.specifier, module]));
  const seen = new Set(roots);
  const packages = new Set<string>();
  for (const specifier of seen) {
    const { npmPackage, dependencies = [] } = bySpecifier.get(redirects[specifier] ?? specifier) ?? {};
    if (npmPackage !== undefined) packages.add(npmPackage);
    const next = dependencies.filter(({ isDynamic }) => isDynamic !== true);
    for (const { code } of next) if (code?.specifier !== undefined) seen.add(code.specifier);
  }
  for (const name of packages) for (const next of npmPackages[name]?.dependencies ?? []) packages.add(next);
  return [...packages].map((name) => name.replace(/(?<=.)@.*$/, "")).sort();
}

// 24 packages once, 18 of them only to read certificates. A signing request still loads them.
Deno.test("the programs load only six packages at their start, none of which is for tests", async () => {
  const expected = [
    "@bufbuild/protobuf",
    "@commander-js/extra-typings",
    "@logtape/logtape",
    "commander",
    "yaml",
    "zod",
  ];
  assert.deepEqual(await packagesAtStart("main.ts"), expected);
  assert.deepEqual((await packagesAtStart("ctl.ts")).filter((name) => !expected.includes(name)), []);
});
