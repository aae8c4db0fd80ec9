// Checks the imports of all files against the layer table of docs/ARCHITECTURE.md.
import { z } from "zod";
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { listSources } from "./list_sources.ts";

/** Layers L0 to L6. A folder imports lower layers and itself, and no other folder of its layer. */
const LAYERS: readonly (readonly string[])[] = [
  ["lib"],
  ["model"],
  ["system", "log"],
  ["x509", "config", "cloud", "forward", "network", "names", "control", "web"],
  ["identity", "trust", "dns", "undo"],
  ["account", "sync"],
  ["daemon", "cli"],
];

/** Folders of lower layers that a folder must not import. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  cli: ["daemon", "account", "sync", "forward"],
};

/** The entry files, and the folders that each may import. */
const ENTRIES: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["system", "daemon"],
  "ctl.ts": ["system", "cli"],
};

/** Modules of Node that do no I/O and are allowed everywhere. */
const PURE_NODE_MODULES: ReadonlySet<string> = new Set([
  "node:path",
  "node:buffer",
  "node:assert",
  "node:assert/strict",
]);

/**
 * The simulated cloud. It shares no code with the client side, because a common bug would pass
 * every test.
 */
const SIMULATOR = "sim/cloud/";
const CLIENT_SIDE: ReadonlySet<string> = new Set([
  "cloud",
  "identity",
  "account",
  "trust",
  "x509",
  "forward",
]);

/** Files of `src/` that no entry file reaches on purpose. Each needs a reason beside its name. */
const UNREACHED_BY_INTENTION: ReadonlySet<string> = new Set();

/** One import in a file. */
export interface ImportEdge {
  /** The specifier as written in the source. */
  readonly specifier: string;
  /** A path from the project's root, or a specifier if it is not a file of the project. */
  readonly target: string;
  readonly typeOnly: boolean;
  /** The reason if the target cannot be found. */
  readonly error?: string | undefined;
}

/** The imports of each file, by path from the project's root. */
export type ImportGraph = ReadonlyMap<string, readonly ImportEdge[]>;

/** Returns one sentence for each violation of the rules. */
export function checkImports(graph: ImportGraph): string[] {
  const problems: string[] = [];
  for (const [path, edges] of graph) {
    if (path.startsWith("src/") && layerOf(path) === undefined) {
      problems.push(`${path} belongs to no folder of the layer table`);
      continue;
    }
    for (const edge of edges) {
      const problem = edgeProblem(path, edge);
      if (problem !== undefined) problems.push(problem);
    }
  }
  for (const cycle of findCycles(graph)) problems.push(`Cycle: ${cycle.join(" → ")}`);
  return problems;
}

/** Returns the files of `src/` that no entry file reaches, sorted. A dynamic import counts. */
export function findUnreached(graph: ImportGraph): string[] {
  const reached = new Set<string>();
  const open = Object.keys(ENTRIES);
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    open.push(...(graph.get(path) ?? []).map((edge) => edge.target));
  }
  return [...graph.keys()]
    .filter((path) => path.startsWith("src/") && !reached.has(path) && !UNREACHED_BY_INTENTION.has(path))
    .sort();
}

function edgeProblem(path: string, edge: ImportEdge): string | undefined {
  const { specifier, target, typeOnly, error } = edge;
  if (/^(npm|jsr|https?):/.test(specifier)) return `${path} imports "${specifier}" past the import map`;
  if (error !== undefined) return `${path} imports "${specifier}", which cannot be found: ${error}`;
  const from = folderOf(path);
  const shipped = from !== undefined || path in ENTRIES;
  if (target.startsWith("node:")) {
    if (!shipped || from === "system" || typeOnly || PURE_NODE_MODULES.has(target)) return undefined;
    return `${path} imports ${target}: only src/system/ may`;
  }
  const to = folderOf(target);
  if (isSimulator(path) && to !== undefined && CLIENT_SIDE.has(to)) {
    return `${path} imports ${target}: the simulated cloud shares no code with the client side`;
  }
  if (!shipped || target.startsWith("npm:")) return undefined;
  if (to === undefined) return `${path} imports ${target}: shipped code imports only src/`;
  const allowed = ENTRIES[path];
  if (allowed !== undefined) {
    return allowed.includes(to)
      ? undefined
      : `${path} imports ${target}: an entry file needs only ${allowed.join(", ")}`;
  }
  if (from === undefined || from === to) return undefined;
  if (FORBIDDEN[from]?.includes(to)) return `${path} imports ${target}: ${from} never imports ${to}`;
  const [lower, upper] = [layerOf(target), layerOf(path)];
  if (lower === undefined || upper === undefined || lower < upper) return undefined;
  return lower === upper
    ? `${path} imports ${target}: folders of one layer (L${upper}) never import each other`
    : `${path} imports ${target}: L${upper} imports L${lower}`;
}

function isSimulator(path: string): boolean {
  return path.startsWith(SIMULATOR) && !path.endsWith("_test.ts");
}

function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

function layerOf(path: string): number | undefined {
  const folder = folderOf(path);
  const layer = LAYERS.findIndex((names) => folder !== undefined && names.includes(folder));
  return layer < 0 ? undefined : layer;
}

/** Returns each cycle that a depth-first walk finds, with its first file repeated at the end. */
function findCycles(graph: ImportGraph): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  function walk(path: string, trail: readonly string[]): void {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path]);
    if (start >= 0 || done.has(path)) return;
    for (const target of new Set((graph.get(path) ?? []).map((edge) => edge.target))) {
      walk(target, [...trail, path]);
    }
    done.add(path);
  }
  for (const path of graph.keys()) walk(path, []);
  return cycles;
}

const reference = z.object({ specifier: z.string().optional(), error: z.string().optional() }).optional();

const denoInfo = z.object({
  modules: z.array(z.object({
    specifier: z.string(),
    error: z.string().optional(),
    dependencies: z.array(z.object({ specifier: z.string(), code: reference, type: reference })).default([]),
  })),
});

/** Reads the output of `deno info --json`. `root` is the project's `file:` URL with a final `/`. */
export function toGraph(info: unknown, root: string): ImportGraph {
  const { modules } = denoInfo.parse(info);
  const missing = new Map(
    modules.flatMap(({ specifier, error }) => error === undefined ? [] : [[specifier, error]]),
  );
  const graph = new Map<string, ImportEdge[]>();
  for (const { specifier, dependencies, error } of modules) {
    if (!specifier.startsWith(root) || error !== undefined) continue;
    const edges = dependencies.map(({ specifier, code, type }) => {
      const target = code?.specifier ?? type?.specifier ?? specifier;
      return {
        specifier,
        target: target.startsWith(root) ? target.slice(root.length) : target,
        typeOnly: code === undefined,
        error: missing.get(target) ?? code?.error ?? type?.error,
      };
    });
    graph.set(specifier.slice(root.length), edges);
  }
  return graph;
}

async function readGraph(root: URL): Promise<ImportGraph> {
  const files = await listSources(root, [
    "src/",
    "sim/",
    "bench/",
    "tests/",
    "scripts/",
    ...Object.keys(ENTRIES),
  ]);
  const directory = await Deno.makeTempDir({ prefix: "ngrokd-imports-" });
  try {
    // `deno info` takes one file, so this file imports all others.
    const all = `${directory}/all.ts`;
    await Deno.writeTextFile(all, files.map((path) => `import "${new URL(path, root)}";\n`).join(""));
    const args = ["info", "--json", "--config", "deno.json", all];
    const { success, stdout, stderr } = await new Deno.Command("deno", { args, cwd: root }).output();
    if (!success) throw new Error(`Cannot read the import graph: ${new TextDecoder().decode(stderr)}`);
    return toGraph(JSON.parse(new TextDecoder().decode(stdout)), root.href);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function main(): Promise<number> {
  const graph = await readGraph(new URL("../", import.meta.url));
  const problems = checkImports(graph);
  const unreached = findUnreached(graph);
  if (Object.keys(ENTRIES).every((entry) => graph.has(entry))) {
    problems.push(...unreached.map((path) => `${path} is reached from no entry file: dead code`));
  } else {
    writeErr(`Warning: an entry file is missing, so ${unreached.length} files are reached from none\n`);
  }
  for (const problem of problems) writeErr(`${problem}\n`);
  writeOut(`${graph.size} files, ${problems.length} problems\n`);
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
